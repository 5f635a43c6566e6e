"""`benchmark audit`, and where its findings are shown."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from cotgap import envs
from cotgap.benchmark.report.terminal import bounds_line
from cotgap.envs import audits
from cotgap.envs.audits import Audit, Played
from cotgap.envs.core import CoTGapError
from tests.benchmark.test_run import cli


def audit(out: Path, *args: str) -> tuple[int, str, str]:
    done = cli("audit", "--out", out, *args)
    return done.returncode, done.stdout, done.stderr


def test_floor_ceiling_and_what_is_beyond_the_expert(tmp_path: Path) -> None:
    out = tmp_path / "audits.json"
    code, table, _ = audit(out, "--panel", "toy/train", "--panel", "toy/id")
    assert code == 0
    assert "toy/train" in table
    found = audits.read(out)
    assert list(found) == ["toy/id", "toy/train"]
    train = found["toy/train"]
    assert (train.lock, train.size) == (envs.get_panel("toy/train").lock, 200)
    assert train.agents["expert"].won == 200 - len(train.beyond_expert)
    assert train.agents["noop"] == Played(200, 0)
    assert 0 < train.agents["random"].won < 50

    # The same tasks again: an expert that cannot pass a task fails it in a run, too.
    failing = train.beyond_expert[0]
    env = envs.make(f"toy/train/{failing}")
    _, info = env.reset()
    for _ in range(env.panel.step_limit):
        *_, info = env.step(env.expert_action())  # type: ignore[attr-defined]
    assert not info["won"]


def test_an_audit_goes_on_where_it_was(tmp_path: Path) -> None:
    out = tmp_path / "audits.json"
    assert audit(out, "--panel", "toy/id", "--episodes", "5")[0] == 0
    assert audits.read(out)["toy/id"].agents["expert"].n == 5
    _, _, progress = audit(out, "--panel", "toy/id", "--episodes", "4")
    assert "episodes" not in progress, "five tasks are enough for four"
    _, shown, progress = audit(out, "--panel", "toy/id", "--json")
    assert "150/150 episodes" in progress
    assert json.loads(shown)["toy/id"]["agents"]["expert"]["n"] == 50
    assert "150/150" in audit(out, "--panel", "toy/id", "--force")[2]


def test_bad_input(tmp_path: Path) -> None:
    out = tmp_path / "audits.json"
    code, _, error = audit(out, "--panel", "toy/idd")
    assert (code, "Did you mean 'id'" in error) == (2, True)
    code, _, error = audit(out, "--panel", "toy/id", "--episodes", "0")
    assert (code, "at least 1" in error) == (2, True)
    code, _, error = audit(audits.FILE, "--panel", "toy/id", "--episodes", "2")
    assert (code, "give another --out" in error) == (2, True)
    out.write_text('{"schema": 0, "panels": {}}')
    code, _, error = audit(out, "--panel", "toy/id")
    assert (code, "schema 0" in error) == (2, True)
    with pytest.raises(CoTGapError, match="schema 0"):
        audits.read(out)


def test_what_tables_show() -> None:
    agents = {"expert": Played(9, 9, 100), "noop": Played(8, 2, 30, 10, 50.5)}
    assert bounds_line(Audit("a/b", "0" * 64, 9, agents)) == (
        "floor and ceiling: expert 100.0% (70.1…100.0, n 9) score 100.00, "
        "noop 25.0% (7.1…59.1, n 8) score 30.00 (10.00…50.50)"
    )
    assert bounds_line(Audit("a/b", "0" * 64, 8, {"noop": Played(8, 0)})).startswith("floor: noop")
    assert "not audited" in bounds_line(None)


def test_a_result_stands_beside_its_floor_and_ceiling(tmp_path: Path) -> None:
    options = ("run", "--agent", "noop", "--panel", "toy/id", "--mode", "prompt", "--episodes", "2")
    table = cli(*options, "--out", tmp_path / "run").stdout
    assert "floor and ceiling: expert 100.0%" in " ".join(table.split())
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["panels"][0]["audit"]["agents"]["expert"] == {"n": 50, "won": 50}
    other = cli(*options, "--max-steps", "3", "--out", tmp_path / "other").stdout
    assert "not audited under this lock" in other


def test_what_panels_share_is_played_once(tmp_path: Path) -> None:
    if not envs.get_suite("bfcl").availability().usable:
        assert not os.environ.get("CI")
        pytest.skip("bfcl has panels that share tasks, and is not usable")
    out, narrowed = tmp_path / "audits.json", envs.get_panel("bfcl/base:MathAPI")
    shared = [task for task in envs.get_panel("bfcl/base").tasks[:40] if task in narrowed.tasks]
    panels = ["--panel", "bfcl/base", "--panel", narrowed.name]
    _, _, progress = audit(out, *panels, "--episodes", str(40))
    assert shared
    assert "120/120 episodes" in progress
    left = len(narrowed) - len(shared)
    assert f"{3 * left}/{3 * left} episodes" in progress
    assert audits.read(out)[narrowed.name].agents["expert"].n == len(narrowed)

"""Runs in which no episode has a score: every command says so, and none breaks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import cotgap.benchmark as benchmark
from cotgap.benchmark.records.store import SUMMARY
from tests.commands import cotgap

TOY = ("--panel", "toy/id", "--episodes", "2")
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`bad`: an agent that raises; `half`: one panel of two has scores; `good`."""
    folder = tmp_path_factory.mktemp("runs")
    bad = ("run", "--agent", "tests.scripts:raising", *TOY, "--mode", "both")
    assert cotgap(*bad, "--out", folder / "bad").exit_code == 3
    good = ("run", "--agent", "noisy", *TOY, "--mode", "both")
    assert cotgap(*good, "--out", folder / "good").exit_code == 0
    return folder


def test_a_run_prints_its_tables_and_the_reason(folders: Path) -> None:
    again = cotgap(
        *("run", "--agent", "tests.scripts:raising", *TOY, "--mode", "both"),
        *("--out", folders / "bad"),
    )
    assert again.exit_code == 3
    assert "unscored" in again.stdout
    assert "ValueError: this agent raises" in " ".join(again.stdout.split())
    assert not json.loads((folders / "bad" / SUMMARY).read_text())["complete"]


@pytest.mark.parametrize(
    ("code", "said", "arguments"),
    [
        (0, "incomplete", "report bad --out bad-report"),
        (0, "incomplete", "report bad good --out both-report"),
        (2, "no task has a score in both runs", "compare bad good"),
        (2, "no task has a score in both runs", "compare good bad --json"),
        (2, "is incomplete", "submit bad"),
        (2, "", "power --baseline bad --panel toy/id"),
        (0, "episodes", "scale bad"),
    ],
)
def test_every_other_command(
    folders: Path, monkeypatch: pytest.MonkeyPatch, code: int, said: str, arguments: str
) -> None:
    monkeypatch.chdir(folders)
    done = cotgap(*arguments.split())
    assert done.exit_code == code, done.output
    assert said in done.output
    assert "Traceback" not in done.output


def test_load(folders: Path) -> None:
    run = benchmark.load(folders / "bad")
    assert len(run.episodes) == 4
    assert set(run.episodes["status"]) == {"backend_error"}


def test_probes_and_their_pages(folders: Path) -> None:
    for probe in ("offline", "branch"):
        out = folders / probe
        done = cotgap("probe", probe, "--agent", "tests.scripts:raising", *TOY, "--out", out)
        assert done.exit_code == 3, done.output
        assert cotgap("report", out, "--out", folders / f"{probe}-report").exit_code == 0


def test_a_sweep_whose_budget_is_spent_at_once(tmp_path: Path) -> None:
    done = cotgap(
        *(
            "sweep",
            "--checkpoints",
            ROOT / "agents/checkpoints/tiny-base",
            *TOY,
            "--max-tokens-total",
            "1",
        ),
        *("--action-tokens", "2", "--thought-tokens", "2", "--out", tmp_path / "sweep"),
    )
    assert done.exit_code == 3, done.output

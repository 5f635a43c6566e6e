"""Honest submissions are verified, whatever was played and however."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cotgap.benchmark.metrics.summary import summarise
from cotgap.benchmark.records.config import RunConfig
from cotgap.benchmark.records.store import read_episodes
from cotgap.envs.registry import suites
from cotgap.leaderboards.findings import Findings
from cotgap.leaderboards.read import SubmissionError, read_submission
from cotgap.leaderboards.verify import verify
from tests.leaderboards.making import Content, mutate, play, submit


def verified(path: Path, workers: int = 1) -> Findings:
    findings = verify(read_submission(path), workers=workers)
    assert findings.verified, findings.problems or findings.unplayable
    return findings


def timeless(findings: Findings) -> Findings:
    return dataclasses.replace(findings, seconds=0.0)


def test_an_honest_run(honest: Path, noisy_run: Path) -> None:
    findings = verified(honest)
    episodes = read_episodes(noisy_run)
    assert findings.episodes == len(episodes) == 12
    assert findings.steps == sum(len(episode.steps) for episode in episodes)
    assert findings.summaries == (tuple(summarise(episodes)),)


CASES: dict[str, tuple[str, list[str], dict[str, Any]]] = {
    "expert": ("expert", ["toy/id", "household/id"], {}),
    "random, which fails": ("random", ["toy/id"], {"max_steps": 5}),
    "nothing valid": ("noop", ["household/ood_wording"], {"max_steps": 3}),
    "shots and all shadows": (
        "noisy",
        ["toy/id"],
        {"protocol": "tags-1+admissible+shots=2+thoughts", "shadow": "all"},
    ),
    "asked for modes": ("noisy", ["toy/id"], {"protocol": "tags-1+asked"}),
    "sampled, repeated": ("noisy", ["toy/id"], {"temperature": 0.7, "repeats": 2, "seed": 3}),
    "one mode": ("noisy", ["toy/ood_layout"], {"mode": "cot"}),
    "parse errors": ("tests.leaderboards.test_verify:stammering", ["toy/id"], {}),
}


def stammering() -> Any:
    """Replies that cannot be parsed, each in its way."""
    replies = ("", "<action>", "</think>", "x</think>y</action>", "go</action>", "</action>")
    return lambda request: replies[request.step % len(replies)]


@pytest.mark.parametrize("case", CASES)
def test_kinds_of_runs(case: str, tmp_path: Path) -> None:
    agent, panels, options = CASES[case]
    path = submit(tmp_path / "x.jsonl.xz", play(tmp_path / "run", agent, panels, 2, **options))
    verified(path)


def test_several_processes_find_the_same(tmp_path: Path, honest: Path) -> None:
    path = submit(tmp_path / "x.jsonl.xz", play(tmp_path / "run", "noisy", ["toy/id"], 15))
    assert timeless(verified(path, workers=2)) == timeless(verified(path))
    content = Content.of(path)
    for line in content.lines[::7]:
        line["episode"]["goal"] = "none"
    tampered = read_submission(content.write(tmp_path / "tampered.jsonl.xz"))
    one, two = (verify(tampered, workers=workers) for workers in (1, 2))
    assert timeless(one) == timeless(two)
    assert one.counts == {"goal": 5}


def test_real_alfworld_games(
    alfworld_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALFWORLD_DATA", str(alfworld_data))
    panels = ["alfworld/valid_seen", "alfworld/valid_unseen@older"]
    path = submit(tmp_path / "x.jsonl.xz", play(tmp_path / "run", "noisy", panels, 3))
    assert verified(path).episodes == 12
    content = Content.of(path)
    content.episode("alfworld/valid_seen", "cot")["steps"][2]["observation"] += "."
    findings = verify(read_submission(content.write(tmp_path / "tampered.jsonl.xz")), workers=1)
    assert findings.counts == {"observation": 1}
    assert "step 2" in findings.problems[0].where


def test_a_suite_that_is_not_here(
    alfworld_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be replayed is not verified, and is no finding either."""
    monkeypatch.setenv("ALFWORLD_DATA", str(alfworld_data))
    run = play(tmp_path / "run", "expert", ["toy/id", "alfworld/valid_seen"], 2)
    path = submit(tmp_path / "x.jsonl.xz", run)
    monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path))
    findings = verify(read_submission(path), workers=1)
    assert not findings.verified
    assert not findings.counts
    (lack,) = findings.unplayable
    assert (lack.panel, lack.episodes) == ("alfworld/valid_seen", 4)
    assert lack.fix == suites()["alfworld"].availability().fix
    assert findings.episodes == 4


def test_a_game_that_is_not_here(
    alfworld_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALFWORLD_DATA", str(alfworld_data))
    path = submit(
        tmp_path / "x.jsonl.xz", play(tmp_path / "run", "expert", ["alfworld/valid_seen"], 1)
    )
    (tmp_path / "json_2.1.1").mkdir()
    monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path))
    findings = verify(read_submission(path), workers=1)
    assert not findings.counts
    (lack,) = findings.unplayable
    assert lack.episodes == 2
    assert "lacks game" in lack.reason


def test_a_configuration_survives_json(honest: Path) -> None:
    config = read_submission(honest).runs[0].config
    assert RunConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_can_be_read_can_be_verified(data: st.DataObject, honest: Path) -> None:
    """Nothing that a file holds makes verification fail; it says what it found."""
    content = Content.of(honest)
    mutate(content, data)
    with tempfile.TemporaryDirectory() as folder:
        path = content.write(Path(folder) / "x.jsonl.xz")
        with contextlib.suppress(SubmissionError):
            assert isinstance(verify(read_submission(path), workers=1), Findings)

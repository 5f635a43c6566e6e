"""What a study would take, worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from cotgap.benchmark.records.sessions import Session
from cotgap.benchmark.records.store import read_sessions
from cotgap.benchmark.scale import Study, seconds_per_episode, tokens, worker_hours
from cotgap.envs.core import CoTGapError
from tests.commands import cotgap

from .building import episode, step
from .test_run import run

# 30 episodes in 20 + 2 × 50 worker seconds
SESSIONS = [Session("local", 1, 10, 80, 20.0, 15.0, 3.0), Session("ray", 2, 20, 160, 50, 90, 5)]


def test_hours() -> None:
    assert seconds_per_episode(SESSIONS) == pytest.approx(4.0)
    study = Study(games=900, checkpoints=2, modes=2)
    assert study.episodes == 3600
    assert worker_hours(study, SESSIONS) == pytest.approx(4.0)
    assert worker_hours(study, SESSIONS, start_seconds=1800) == pytest.approx(5.0)
    with pytest.raises(CoTGapError, match="says nothing"):
        seconds_per_episode([])


def test_tokens_count_shadows() -> None:
    alone = episode("a", "prompt", steps=[step("prompt", "look", tokens=10)])
    watched = episode("b", "cot", steps=[step("cot", "look", ("prompt", "wait"), tokens=10)])
    assert tokens([alone, watched]) == (150, 15)
    with pytest.raises(CoTGapError, match="no episode"):
        tokens([])


def test_shares_add_up() -> None:
    assert dict(SESSIONS[0].shares()) == pytest.approx(
        {"model": 0.75, "environments": 0.15, "own code": 0.1}
    )
    assert dict(SESSIONS[1].shares()) == pytest.approx(
        {"model": 0.9, "environments": 0.05, "own code": 0.05}
    )


def test_from_a_run(tmp_path: Path) -> None:
    out = tmp_path / "run"
    played = run(out, "--episodes", "3")
    assert played.returncode == 0, played.stderr
    assert "time: 6 episodes in" in played.stdout
    (session,) = read_sessions(out)
    assert (session.engine, session.workers, session.episodes) == ("local", 1, 6)
    assert 0 < session.model + session.environments < session.seconds
    scale = cotgap("scale", out, "--games", "1000")
    assert scale.exit_code == 0, scale.output
    assert "40,000 episodes" in scale.stdout
    assert run(out, "--episodes", "3").returncode == 0
    assert len(read_sessions(out)) == 1, "a run that was complete is not timed again"


def test_no_run_is_a_message(tmp_path: Path) -> None:
    done = cotgap("scale", tmp_path)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert "is not a run folder" in done.stderr

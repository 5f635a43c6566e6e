"""What a gate is not talked into: copies, better records behind worse ones, one more try."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cotgap.benchmark.compare.attempts import ATTEMPTS, counted, level, read_attempts
from cotgap.benchmark.compare.comparison import Comparison, compare
from cotgap.benchmark.compare.gate import Wanted
from cotgap.benchmark.compare.sides import NotComparableError
from cotgap.benchmark.records.store import EPISODES, read_episodes
from cotgap.envs.core import CoTGapError
from tests.commands import cotgap
from tests.compare.folders import outcomes, play


def judged(baseline: Path, candidate: Path, margin: float = 0.2) -> Comparison:
    return counted(compare(baseline, candidate, gates=[Wanted("success")], margin=margin))


def test_a_copy_of_the_baseline_is_refused(good: Path, tmp_path: Path) -> None:
    """Under another agent's name as well; what is compared without a gate is only looked at."""
    copy = shutil.copytree(good, tmp_path / "copy")
    with pytest.raises(NotComparableError, match=r"100 of 100 episodes in .* are copies of those"):
        judged(good, copy)
    content = json.loads((copy / "run.json").read_text())
    content["config"]["agent"] |= {"fingerprint": "0" * 64, "name": "better"}
    (copy / "run.json").write_text(json.dumps(content))
    lines = [json.loads(line) for line in (copy / EPISODES).read_text().splitlines()]
    lines = [line | {"fingerprint": "0" * 64} for line in lines]
    (copy / EPISODES).write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = cotgap("compare", good, copy, "--margin", "5")
    assert done.exit_code == 2
    assert "are copies of those in" in " ".join(done.output.split())
    assert not (good / ATTEMPTS).exists()


def test_the_same_agent_played_twice_is_no_copy(good: Path, tmp_path: Path) -> None:
    again = play(tmp_path / "again", "noisy:prompt=0.2,cot=0.05")
    assert judged(good, again).verdict is not None
    (good / ATTEMPTS).unlink()


def test_no_later_record_replaces_one_with_a_score(tmp_path: Path) -> None:
    run = outcomes(tmp_path / "run", {"prompt": [0, None, 1]})
    better = outcomes(tmp_path / "better", {"prompt": [1, 1, 1]})
    first = [(e.id, e.score) for e in read_episodes(run)]
    with (run / EPISODES).open("a") as file:
        file.write((better / EPISODES).read_text())
    found = {e.id: e.score for e in read_episodes(run)}
    assert [found[id_] for id_, _ in first] == [0.0, 1.0, 1.0]
    message = rf"{EPISODES} line 4 records toy/id/0000#0 in mode prompt again, which had a score"
    with pytest.raises(CoTGapError, match=message):
        judged(better, run)


def test_attempts_are_counted_and_said(tmp_path: Path) -> None:
    baseline = outcomes(tmp_path / "baseline", {"prompt": [1] * 40})
    for number in range(1, 4):
        lost = [0] * number + [1] * (40 - number)
        run = outcomes(tmp_path / f"try{number}", {"prompt": lost})
        found = judged(baseline, run)
        assert found.attempts == number
        words = f"attempt {number} of this agent against this baseline"
        assert any(notice.startswith(words) for notice in found.notices) is (number > 1)
        assert found.to_json()["attempts"] == number
    assert "up to 14 %, not 5 %" in found.notices[-1]
    # Judging the same run again, by another margin too, is no other attempt.
    for margin in (0.2, 0.3):
        found = judged(baseline, tmp_path / "try2", margin)
        assert found.attempts == 3
        assert "attempt 2 of 3" in found.notices[-1]
    agent = {"name": "b", "fingerprint": "0" * 64, "backend": "scripted"}
    else_ = outcomes(tmp_path / "other", {"prompt": [0] + [1] * 39}, agent=agent)
    assert judged(baseline, else_).attempts == 1
    kept = read_attempts(baseline / ATTEMPTS)
    assert len({(attempt.agent, attempt.run) for attempt in kept}) == 4
    assert {attempt.margin for attempt in kept} == {0.2, 0.3}


def test_what_decides_nothing_is_no_attempt(tmp_path: Path) -> None:
    baseline = outcomes(tmp_path / "baseline", {"prompt": [1] * 5})
    unfinished = outcomes(tmp_path / "unfinished", {"prompt": [1, 1, 1, 1, None]})
    assert judged(baseline, unfinished).attempts == 0
    counted(compare(baseline, outcomes(tmp_path / "done", {"prompt": [1] * 5})))
    assert not (baseline / ATTEMPTS).exists()


def test_a_damaged_file_of_attempts_is_named(tmp_path: Path) -> None:
    baseline = outcomes(tmp_path / "baseline", {"prompt": [1] * 5})
    (baseline / ATTEMPTS).write_text("{}\n")
    with pytest.raises(CoTGapError, match=f"{ATTEMPTS} line 1 is damaged"):
        judged(baseline, outcomes(tmp_path / "run", {"prompt": [0] * 5}))


def test_the_level_of_several_attempts() -> None:
    assert level(1) == pytest.approx(0.05)
    assert level(10) == pytest.approx(0.401, abs=1e-3)

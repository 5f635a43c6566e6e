"""Real runs compared: every number against the records, flips, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cotgap.agents.core import Sampling
from cotgap.benchmark.compare.comparison import compare
from cotgap.benchmark.compare.flips import LOST, WON, diverge
from cotgap.benchmark.compare.quantities import Difference
from cotgap.benchmark.compare.sides import NotComparableError
from cotgap.benchmark.metrics.core import revised
from cotgap.benchmark.records.config import Limits, PanelPlan, RunConfig
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.records.store import read_episodes, read_run
from cotgap.envs.core import CoTGapError, UnknownNameError
from tests.benchmark.building import episode, step, write_folder
from tests.compare.folders import config, outcomes, play


def by_key(folder: Path, mode: str) -> dict[str, Episode]:
    return {str(e.task_key): e for e in read_episodes(folder) if e.mode == mode}


def found_in(baseline: Path, candidate: Path) -> dict[tuple[str, str], Difference]:
    (panel,) = compare(baseline, candidate).panels
    return {(one.metric, one.mode): one for one in panel.differences}


def test_every_number_is_that_of_the_records(good: Path, bad: Path) -> None:
    found = found_in(good, bad)
    gap = np.zeros(50)
    for mode, sign in (("prompt", -1), ("cot", 1)):
        one, two = by_key(good, mode), by_key(bad, mode)
        keys = sorted(one)
        won = np.array([[run[key].success for key in keys] for run in (one, two)], dtype=float)
        steps = np.array([[len(run[key].steps) for key in keys] for run in (one, two)])
        success = found["success", mode]
        assert (success.first, success.second) == pytest.approx(won.mean(axis=1))
        assert success.estimate.value == pytest.approx((won[1] - won[0]).mean())
        assert success.estimate.counts["lower"] == (won[1] < won[0]).sum()
        assert found["steps", mode].estimate.value == pytest.approx((steps[1] - steps[0]).mean())
        gap += sign * (won[1] - won[0])
    assert found["cot_gap", "prompt-cot"].estimate.value == pytest.approx(gap.mean())
    for folder, value in ((good, "first"), (bad, "second")):
        verdicts = [revised(s) for e in by_key(folder, "cot").values() for s in e.steps]
        known = [v for v in verdicts if v is not None]
        assert getattr(found["revision", "prompt-cot"], value) == pytest.approx(np.mean(known))
    for one in found.values():
        assert one.estimate.p is not None
        assert one.estimate.low is not None
        assert one.estimate.low <= one.estimate.value <= (one.estimate.high or 0)
    assert not {"tokens_in", "tokens_out", "score"} & {name for name, _ in found}


def test_turned_around_every_sign_turns(good: Path, bad: Path) -> None:
    there, back = found_in(good, bad), found_in(bad, good)
    for key, one in there.items():
        other = back[key]
        assert one.estimate.value == pytest.approx(-other.estimate.value)
        assert one.estimate.low == pytest.approx(-(other.estimate.high or 0))
        assert one.estimate.p == pytest.approx(other.estimate.p, abs=1e-3)


def test_the_same_agent_again(good: Path, tmp_path: Path) -> None:
    again = play(tmp_path / "again", "noisy:prompt=0.2,cot=0.05")
    found = compare(good, again)
    assert any("the same agent" in notice for notice in found.notices)
    (panel,) = found.panels
    assert not panel.flips
    assert {one.estimate.value for one in panel.differences} == {0}


def test_a_fingerprint_that_does_not_cover_everything(tmp_path: Path) -> None:
    runs = [outcomes(tmp_path / str(won), {"prompt": [won] * 8}) for won in (0, 1)]
    assert any("does not cover all" in notice for notice in compare(*runs).notices)
    nameless = {"name": "agent", "backend": "mine"}
    runs = [outcomes(tmp_path / f"n{won}", {"prompt": [won] * 8}, agent=nameless) for won in (0, 1)]
    assert not any("fingerprint" in notice for notice in compare(*runs).notices)


def test_flips_are_the_tasks_that_changed(good: Path, bad: Path) -> None:
    (panel,) = compare(good, bad).panels
    for mode in ("prompt", "cot"):
        one, two = by_key(good, mode), by_key(bad, mode)
        for direction, before in ((LOST, True), (WON, False)):
            expected = {
                key for key in one if one[key].success == before and two[key].success != before
            }
            flips = [f for f in panel.flips if (f.mode, f.direction) == (mode, direction)]
            assert {flip.task for flip in flips} == expected
            for flip in flips:
                actions = [[s.decision.action for s in e.steps] for e in (flip.first, flip.second)]
                assert flip.divergence is not None
                at = flip.divergence.step - 1
                assert actions[0][:at] == actions[1][:at]
                assert flip.divergence.first == actions[0][at]
                assert flip.divergence.second == actions[1][at]
                assert actions[0][at] != actions[1][at]


def test_where_episodes_part() -> None:
    def acted(*actions: str | None) -> Episode:
        return episode("a", "prompt", steps=[step("prompt", action) for action in actions])

    assert diverge(acted("x", "y"), acted("x", "y")) is None
    found = diverge(acted("x", "y"), acted("x", None))
    assert (found and (found.step, found.first, found.second, found.ended)) == (2, "y", None, None)
    found = diverge(acted("x"), acted("x", "y"))
    assert (found and (found.step, found.first, found.second, found.ended)) == (
        2,
        None,
        "y",
        "first",
    )
    # The suite's normal form decides, not the words.
    one, two = acted("take mug"), acted("Take  mug")
    same = tuple(replace(s, canonical={"prompt": "take mug"}) for s in two.steps)
    assert diverge(one, replace(two, steps=same)) is None


def test_repeats_count_by_task(tmp_path: Path) -> None:
    noisy = ("--mode", "prompt", "--episodes", "12")
    three = play(tmp_path / "three", "noisy:prompt=0.5", "--repeats", "3", *noisy)
    one = play(tmp_path / "one", "noisy:prompt=0.3", "--seed", "5", *noisy)
    found = compare(one, three)
    assert any("1 repeats in the baseline, 3 in the candidate" in n for n in found.notices)
    (panel,) = found.panels
    success = panel.differences[0]
    assert success.estimate.n == 12
    assert success.second == pytest.approx(np.mean([e.success for e in read_episodes(three)]))
    for flip in panel.flips:
        assert (flip.before[1], flip.after[1]) == (1, 3)
        assert flip.first.success != flip.second.success


def test_tokens_and_scores_where_there_are_any(tmp_path: Path) -> None:
    def run(name: str, tokens: int, score: float) -> Path:
        tasks = [f"{number:04d}" for number in range(8)]
        episodes = [
            episode(
                task, "cot", steps=[step("cot", "go", tokens=tokens + number)], score=score / 10
            )
            for number, task in enumerate(tasks)
        ]
        return write_folder(tmp_path / name, config(tasks, ["cot"]), episodes)

    found = found_in(run("a", 10, 5), run("b", 17, 8))
    assert found["tokens_out", "cot"].estimate.value == pytest.approx(7)
    assert found["tokens_in", "cot"].estimate.value == pytest.approx(70)
    assert found["score", "cot"].estimate.value == pytest.approx(0.3)


BASE = config([f"{n:04d}" for n in range(4)], ["prompt"])
PLAN = BASE.panels[0]
SHOTS = replace(BASE, protocol="tags-1+shots=2")
REFUSED: dict[str, tuple[RunConfig, RunConfig, tuple[str, ...]]] = {
    "steps": (BASE, replace(BASE, panels=(replace(PLAN, step_limit=20),)), ("--max-steps 50",)),
    "lock": (BASE, replace(BASE, panels=(replace(PLAN, lock="other"),)), ("another lock", "other")),
    "protocol": (BASE, SHOTS, ("another protocol", "--protocol tags-1")),
    "sampling": (
        BASE,
        replace(BASE, sampling=Sampling(0.7)),
        ("temperature 0.7", "--temperature 0 --top-p 1"),
    ),
    "limits": (BASE, replace(BASE, limits=Limits(32)), ("32 action tokens", "--action-tokens 64")),
    "timeout": (replace(BASE, limits=Limits(timeout=9)), BASE, ("timeout 9 s", "--timeout 9")),
    "examples": (SHOTS, replace(SHOTS, seed=1), ("seed of the examples", "--seed 0")),
    "panels": (
        BASE,
        replace(BASE, panels=(replace(PLAN, name="toy/ood_layout"),)),
        ("no panel", "toy/ood_layout"),
    ),
    "tasks": (
        BASE,
        replace(BASE, panels=(replace(PLAN, tasks=("0003", "0001")),)),
        ("share no task", "--episodes 4"),
    ),
    "modes": (BASE, replace(BASE, modes=("cot",)), ("no mode", "--mode both")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_compared_is_refused(name: str, tmp_path: Path) -> None:
    a, b, words = REFUSED[name]
    paths = [write_folder(tmp_path / place, one, []) for place, one in (("a", a), ("b", b))]
    with pytest.raises(NotComparableError) as refused:
        compare(*paths)
    for word in words:
        assert word in str(refused.value)


def test_other_refusals(good: Path, tmp_path: Path) -> None:
    with pytest.raises(NotComparableError, match="twice"):
        compare(good, good)
    with pytest.raises(CoTGapError, match="not a run folder"):
        compare(good, tmp_path)
    with pytest.raises(NotComparableError, match="no task has a score"):
        compare(write_folder(tmp_path / "a", BASE, []), write_folder(tmp_path / "b", BASE, []))
    with pytest.raises(UnknownNameError, match="toy/od"):
        compare(good, outcomes(tmp_path / "c", {"prompt": [1]}), panels=["toy/od"])
    broken = write_folder(tmp_path / "d", BASE, [])
    text = (broken / "run.json").read_text().replace('"sampling"', '"samples"')
    (broken / "run.json").write_text(text)
    with pytest.raises(CoTGapError, match="malformed"):
        compare(good, broken)


def test_only_the_shared_tasks_are_compared(good: Path, tmp_path: Path) -> None:
    part = play(tmp_path / "part", "noisy:prompt=0.6,cot=0.4", "--episodes", "7")
    found = compare(good, part)
    assert any("first 7 tasks" in notice for notice in found.notices)
    (panel,) = found.panels
    assert {one.estimate.n for one in panel.differences} == {7}
    assert found.complete


def test_other_circumstances_are_said(tmp_path: Path) -> None:
    def run(name: str, **ran: Any) -> Path:
        agent = {"name": name, "fingerprint": name, "backend": "transformers", **ran}
        return outcomes(tmp_path / name, {"prompt": [1, 0]}, agent=agent)

    found = compare(run("a", dtype="float32"), run("b", dtype="bfloat16"))
    assert any('dtype: "float32" → "bfloat16"' in notice for notice in found.notices)


def test_configuration_survives_the_folder(good: Path) -> None:
    content = read_run(good)
    read = RunConfig.from_json(content["config"])
    assert read.to_json() == content["config"]
    assert read.digest == content["digest"]
    assert isinstance(read.panels[0], PanelPlan)
    with pytest.raises(CoTGapError, match="modes: None should be a valid array"):
        RunConfig.from_json({**content["config"], "modes": None})

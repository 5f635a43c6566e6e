"""Sweeps: series, answers, alarms and rescoring; and end to end on tiny random checkpoints."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cotgap.benchmark.commands.sweep import execute
from cotgap.benchmark.domain import Relation
from cotgap.benchmark.options import SweepOptions
from cotgap.benchmark.records.episode import Episode, Status
from cotgap.benchmark.records.store import EPISODES, read_episodes
from cotgap.benchmark.report.published import PUBLISHED
from cotgap.benchmark.sweeps import rescore
from cotgap.benchmark.sweeps.alarm import alarms
from cotgap.benchmark.sweeps.outcomes import (
    COT_SUCCESS,
    FOLLOW,
    GAP,
    PROMPT_SUCCESS,
    REVISION,
    Outcome,
)
from cotgap.benchmark.sweeps.questions import CONTRADICTED, OPEN, SUPPORTED, Answer, answers
from cotgap.benchmark.sweeps.series import Checkpoint, find
from cotgap.cli import make
from cotgap.envs.core import CoTGapError
from tests.agents.templates import save_checkpoint

from .building import TRAINED, episode, step

# Series.


def folder(path: Path, step: int | None = None, mask: float = 0.0) -> Path:
    path.mkdir(parents=True)
    (path / "config.json").write_text("{}")
    if step is not None:
        card = {"step": step, "config": {"action_mask_fraction": mask}, "trained_on": [TRAINED]}
        (path / "card.json").write_text(json.dumps(card))
    return path


def test_cards_give_steps_and_series(tmp_path: Path) -> None:
    for name, mask in (("plain", 0.0), ("masked", 0.3)):
        for number in (2, 16, 128):
            folder(tmp_path / name / f"step-{number}", number, mask)
    found = find([f"{tmp_path}/*/step-*"], [])
    assert [(one.series, one.step, one.label) for one in found] == [
        ("k=0", 2, "plain-step-2"),
        ("k=0", 16, "plain-step-16"),
        ("k=0", 128, "plain-step-128"),
        ("k=0.3", 2, "masked-step-2"),
        ("k=0.3", 16, "masked-step-16"),
        ("k=0.3", 128, "masked-step-128"),
    ]


def test_without_cards_an_order_is_asked_for(tmp_path: Path) -> None:
    for name in ("late", "early"):
        folder(tmp_path / name)
    with pytest.raises(CoTGapError, match=r"no card.json with a step.*--order early,late"):
        find([f"{tmp_path}/*"], [])
    with pytest.raises(CoTGapError, match="There are: early, late"):
        find([f"{tmp_path}/*"], ["early"])
    found = find([f"{tmp_path}/*"], ["early", "late"])
    assert [(one.path.name, one.step, one.series) for one in found] == [
        ("early", 1, "all"),
        ("late", 2, "all"),
    ]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"step": "late"}, "step 'late' is no number"),
        ({"trained_on": "toy/train"}, "trained_on 'toy/train' is no list"),
        ({"config": {"action_mask_fraction": "much"}}, "action_mask_fraction 'much' is no share"),
        ({"config": [1]}, "card.json"),
    ],
)
def test_cards_are_checked_before_anything_is_played(
    tmp_path: Path, wrong: dict[str, Any], message: str
) -> None:
    path = folder(tmp_path / "one", 4)
    card = json.loads((path / "card.json").read_text())
    (path / "card.json").write_text(json.dumps({**card, **wrong}))
    with pytest.raises(CoTGapError, match=message):
        find([str(path)], [])


def test_no_checkpoint_and_equal_steps_are_errors(tmp_path: Path) -> None:
    with pytest.raises(CoTGapError, match="no checkpoint there"):
        find([f"{tmp_path}/*"], [])
    folder(tmp_path / "a", 4)
    folder(tmp_path / "b", 4)
    with pytest.raises(CoTGapError, match="both step 4 of series k=0"):
        find([f"{tmp_path}/*"], [])


# Answers.

Chances = Mapping[str, Sequence[float]]
"""Quantity → its rate at each checkpoint."""


def simulated(
    chances: Chances,
    *,
    tasks: int = 150,
    mask: float = 0.0,
    ood: Sequence[float] = (),
    seed: int = 1,
) -> list[Outcome]:
    """Outcomes of a series whose rates are known; `ood` is CoT success out of domain."""
    rng = np.random.default_rng(seed)
    levels = {key: rng.random(tasks) for key in (*chances, "ood")}
    found = []
    for place in range(len(next(iter(chances.values())))):
        checkpoint = Checkpoint(Path(f"{mask}-{place}"), f"{mask}-{place}", place, mask)
        rates = {
            quantity: _drawn(levels[quantity], series[place], rng)
            for quantity, series in chances.items()
        }
        if PROMPT_SUCCESS in rates and COT_SUCCESS in rates:
            prompt, cot = rates[PROMPT_SUCCESS], rates[COT_SUCCESS]
            rates[GAP] = {key: cot[key] - prompt[key] for key in prompt}
        found.append(Outcome(checkpoint, "toy/id", Relation(), rates))
        if ood:
            outside = {COT_SUCCESS: _drawn(levels["ood"], ood[place], rng)}
            found.append(Outcome(checkpoint, "toy/ood_layout", Relation(("layout",)), outside))
    return found


def _drawn(levels: Any, chance: float, rng: np.random.Generator) -> dict[str, Fraction]:
    luck = np.where(rng.random(len(levels)) < 0.5, levels, rng.random(len(levels)))
    return {f"t{n}": Fraction(int(u < chance)) for n, u in enumerate(luck)}


def verdict(found: Sequence[Answer], quantity: str, series: str = "k=0") -> str:
    (one,) = [a for a in found if (a.quantity, a.series) == (quantity, series)]
    return one.verdict


SHORTCUT: Chances = {
    PROMPT_SUCCESS: (0.2, 0.4, 0.6, 0.8),
    COT_SUCCESS: (0.4, 0.55, 0.7, 0.85),
    REVISION: (0.6, 0.45, 0.3, 0.15),
    FOLLOW: (0.9, 0.7, 0.5, 0.3),
}
REASONING: Chances = {
    PROMPT_SUCCESS: (0.3, 0.25, 0.2, 0.1),
    COT_SUCCESS: (0.3, 0.5, 0.7, 0.9),
    REVISION: (0.1, 0.3, 0.5, 0.7),
    FOLLOW: (0.3, 0.5, 0.7, 0.9),
}
FLAT: Chances = dict.fromkeys(SHORTCUT, (0.5, 0.5, 0.5, 0.5))


def test_known_trends_are_answered() -> None:
    found = answers(simulated(SHORTCUT), 0.05)
    for quantity in (PROMPT_SUCCESS, REVISION, FOLLOW):
        assert verdict(found, quantity) == SUPPORTED
    assert verdict(found, GAP) == SUPPORTED
    found = answers(simulated(REASONING), 0.05)
    for quantity in (PROMPT_SUCCESS, REVISION, FOLLOW, GAP):
        assert verdict(found, quantity) == CONTRADICTED


def test_a_gap_that_rises_by_less_than_the_margin() -> None:
    rates = [{PROMPT_SUCCESS: zero, COT_SUCCESS: zero, GAP: zero} for zero in [[0] * 1000] * 2]
    rates[1] = {**rates[1], GAP: [1] * 20 + [0] * 980}
    found = []
    for place, one in enumerate(rates):
        checkpoint = Checkpoint(Path(f"c{place}"), f"c{place}", place, 0.0)
        by_task = {q: {f"t{n}": Fraction(x) for n, x in enumerate(v)} for q, v in one.items()}
        found.append(Outcome(checkpoint, "toy/id", Relation(), by_task))
    (answer,) = [a for a in answers(found, 0.05) if a.quantity == GAP]
    assert answer.effect is not None
    assert answer.effect.low is not None
    assert answer.effect.low > 0, "it certainly rises, and certainly by less than 5 points"
    assert answer.verdict == SUPPORTED
    (answer,) = [a for a in answers(found, 0.005) if a.quantity == GAP]
    assert answer.verdict == CONTRADICTED


@pytest.mark.usefixtures("no_mde")
def test_no_trend_is_not_resolved() -> None:
    wrong = 0
    for seed in range(60):
        found = answers(simulated(FLAT, tasks=60, seed=seed), 0.05)
        rising = [a for a in found if a.direction != "stays"]
        wrong += any(a.verdict != OPEN for a in rising)
        assert all(a.p is None or (a.p_adjusted or 0) >= a.p for a in found)
    # The family of tests errs in 5 % of sweeps at most; 60 of them allow a few more.
    assert wrong <= 8


def test_few_tasks_resolve_nothing() -> None:
    found = answers(simulated(SHORTCUT, tasks=4), 0.05)
    assert {answer.verdict for answer in found} == {OPEN}
    assert all(answer.effect is None or answer.effect.n == 4 for answer in found)


def test_masking_is_compared_at_the_last_shared_step() -> None:
    plain = simulated(FLAT, ood=(0.3, 0.3, 0.3, 0.3))
    masked = simulated(FLAT, mask=0.3, ood=(0.3, 0.3, 0.3, 0.7), seed=2)
    series = "k=0.3 against k=0"
    assert verdict(answers([*plain, *masked], 0.05), COT_SUCCESS, series) == SUPPORTED
    worse = simulated(FLAT, mask=0.3, ood=(0.9, 0.9, 0.9, 0.05), seed=2)
    assert verdict(answers([*plain, *worse], 0.05), COT_SUCCESS, series) == CONTRADICTED
    (alone,) = [a for a in answers(plain, 0.05) if a.question == 4]
    assert alone.verdict == OPEN
    assert "with and without an action mask" in alone.note


def test_the_alarm_names_shortcuts() -> None:
    raised = {a.checkpoint.step for a in alarms(simulated(SHORTCUT, ood=(0.3,) * 4)) if a.raised}
    assert 3 in raised
    lifted = alarms(simulated(SHORTCUT, ood=(0.2, 0.5, 0.7, 0.9)))
    assert not any(alarm.raised for alarm in lifted)
    for other in (REASONING, FLAT):
        assert not any(a.raised for a in alarms(simulated(other, ood=(0.3,) * 4)))


# Rescoring.


def played(task: str, actions: Sequence[str | None], status: Status) -> Episode:
    return episode(task, "cot", status, [step("cot", action) for action in actions])


def test_shorter_limits() -> None:
    long = played("a", [f"go {n}" for n in range(25)], Status.SUCCESS)
    lost = played("b", ["go"], Status.FAILURE)
    assert [rescore.within(n)(long) for n in (20, 25, 30)] == [False, True, True]
    assert not rescore.within(30)(lost)
    found = {one.protocol: one for one in rescore.rescore([long, lost], 40)}
    assert {"20 steps", "30 steps", "40 steps"} < set(found)
    assert "50 steps" not in found, "records of 40 steps cannot tell"
    assert found["20 steps"].estimate.value == 0
    assert found["30 steps"].estimate.value == 0.5


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        (["a", "a", "b", "a", "a", "win"], True),
        (["a", "a", "a", "win"], False),
        ([None, None, None, "win"], False),
        (["a", "win", "win", "win"], True),
        (["win", "win", "win", "win"], False),
    ],
)
def test_giving_up_repetition(actions: list[str | None], expected: bool) -> None:
    won = rescore.unrepeated(3)
    assert won(played("a", actions, Status.SUCCESS)) is expected
    assert not won(played("a", actions, Status.FAILURE))


def test_the_highest_score_is_on_the_way() -> None:
    rewards = [10.0, 0.0, 25.0, -30.0]
    steps = [replace(step("cot", "go"), reward=reward) for reward in rewards]
    one = episode("a", "cot", Status.FAILURE, steps, score=5.0)
    assert rescore.final_score(one) == 5
    assert rescore.highest_score(one) == 35
    assert rescore.highest_score(replace(one, steps=())) == 5
    scores = {r.protocol: r.estimate.value for r in rescore.rescore([one], 50) if r.unit == "score"}
    assert scores == {"final score": 5, "highest score": 35}
    same = rescore.rescore([replace(one, steps=())], 50)
    assert not any(r.unit == "score" for r in same)


def test_published_numbers_stand_beside_their_protocol() -> None:
    for one in PUBLISHED:
        assert 0 < one.value < 1
        assert one.source.startswith("https://")
    won = [
        replace(e, task_key=replace(e.task_key, suite="alfworld", split="valid_unseen"))
        for e in [played("a", ["go"], Status.SUCCESS)]
    ]
    found = {one.protocol: one.published for one in rescore.rescore(won, 50)}
    assert {p.value for p in found["50 steps"]} == {0.784, 0.709}
    assert not found["40 steps"]


# End to end.


def checkpoints(root: Path) -> None:
    """Random models with the cards of trained ones."""
    for number, (name, mask, steps) in enumerate(
        [("plain", 0.0, 1), ("plain", 0.0, 8), ("masked", 0.3, 8)]
    ):
        path = root / name / f"step-{steps:06d}"
        path.mkdir(parents=True)
        save_checkpoint(path, seed=number)
        card = {"step": steps, "config": {"action_mask_fraction": mask}, "trained_on": [TRAINED]}
        (path / "card.json").write_text(json.dumps(card))


def options(root: Path, out: Path, **changes: Any) -> SweepOptions:
    given: dict[str, Any] = {
        "checkpoints": [f"{root}/*/step-*"],
        "panel": ["toy/id", "toy/ood_layout"],
        "probe": ["offline", "conflict"],
        "episodes": 2,
        "states": 1,
        "max_steps": 2,
        "out": out,
        "action_tokens": 6,
        "thought_tokens": 8,
        "device": "cpu",
        "threads": 1,
        "rescore": True,
        "as_json": True,
        "quiet": True,
    }
    return make(SweepOptions, **{**given, **changes})


def test_a_sweep_end_to_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, out = tmp_path / "ckpts", tmp_path / "sweep"
    checkpoints(root)
    assert execute(options(root, out)) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["complete"]
    assert {answer["question"] for answer in summary["answers"]} == {1, 2, 3, 4}
    assert {answer["verdict"] for answer in summary["answers"]} == {OPEN}
    assert set(summary["rescored"]) == {
        "plain-step-000001", "plain-step-000008", "masked-step-000008",
    }  # fmt: skip
    frame = pd.read_csv(out / "table.csv")
    assert set(frame["relation"]) == {"in-domain", "OOD: layout"}
    assert set(frame["series"]) == {"k=0", "k=0.3"}
    assert {"run", "offline"} <= set(frame["source"])
    success = frame[(frame["quantity"] == "success") & (frame["source"] == "run")]
    assert len(success) == 3 * 2 * 2
    assert (success["n"] == 2).all()
    assert (success["low"] <= success["value"]).all()

    # A finished sweep loads no model again; a checkpoint that lost episodes is measured again.
    def refuse(*args: Any, **named: Any) -> Any:
        raise AssertionError("loaded a model")

    with monkeypatch.context() as patched:
        patched.setattr("cotgap.benchmark.sweeps.running.open_site", refuse)
        assert execute(options(root, out)) == 0
        assert json.loads(capsys.readouterr().out) == summary
        fewer = options(root, out, checkpoints=[f"{root}/plain/step-*"])
        assert execute(fewer) == 0
    labels = set(json.loads(capsys.readouterr().out)["rescored"])
    assert labels == {"plain-step-000001", "plain-step-000008"}, "those it had among all three"
    path = out / "runs" / "masked-step-000008" / EPISODES
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]))
    assert execute(options(root, out, as_json=False)) == 0
    assert len(read_episodes(path.parent)) == 8
    printed = capsys.readouterr().out
    for words in ("the paper's questions", "OOD: layout", "shortcut alarm: not raised"):
        assert words in printed
    with pytest.raises(CoTGapError, match="states: 1 → 2"):
        execute(options(root, out, states=2))
    with pytest.raises(CoTGapError, match='dtype: null → "bfloat16"'):
        execute(options(root, out, dtype="bfloat16"))
    shutil.rmtree(root / "masked")
    with pytest.raises(CoTGapError, match="Did you mean"):
        execute(options(root, out, probe=["conflct"]))

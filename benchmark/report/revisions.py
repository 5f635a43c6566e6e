"""What reasoning did to the action, state by state. Pure functions over episodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from cotgap.benchmark.metrics.core import COT, PROMPT, revised, revision_gain, scored, step_rate
from cotgap.benchmark.records.episode import Episode, StepRecord
from cotgap.benchmark.stats.intervals import Estimate

Verdict = Literal["helpful", "harmful", "neutral", "unjudged", "same"]
Judged = Literal["right", "wrong", "none"]
JUDGED: tuple[Judged, ...] = ("right", "wrong", "none")
_Counts = Callable[[tuple[Judged, Judged]], bool | None]
VERDICTS: dict[int, Verdict] = {1: "helpful", 0: "neutral", -1: "harmful"}


def verdict(step: StepRecord) -> Verdict | None:
    """What the CoT action is against the prompt action; None unless both were given and parsed.

    `helpful`, `harmful` and `neutral` are revisions as `metrics.core.revision_gain` judges them,
    `unjudged` a revision whose costs are unknown, `same` no revision.
    """
    changed = revised(step)
    if changed is None:
        return None
    if not changed:
        return "same"
    gain = revision_gain(step)
    return "unjudged" if gain is None else VERDICTS[gain]


def judged(step: StepRecord, mode: str) -> Judged | None:
    """Whether an action is one that the oracle would take: right if it lowers the cost to go.

    `none`: the reply held no action. None: not decided in that mode, or no distance is known (no
    oracle, or success is out of reach already).
    """
    decision, before = step.decision_of(mode), step.cost_to_go.get("state")
    if decision is None or before is None:
        return None
    if decision.action is None:
        return "none"
    if mode not in step.cost_to_go:
        return None
    after = step.cost_to_go[mode]
    return "right" if after is not None and after < before else "wrong"


@dataclass(frozen=True)
class Flow:
    """From the prompt action to the CoT action over the judged states of CoT-driven episodes.

    `counts` maps (judgement of aₚ, judgement of a꜀) to states. `prompt_right` and `cot_right` are
    shares of all of them, `repaired` of those where aₚ was not right, `broken` of those where it
    was; None where there is no such state.
    """

    counts: dict[tuple[Judged, Judged], int]
    prompt_right: Estimate
    cot_right: Estimate
    repaired: Estimate | None
    broken: Estimate | None

    @property
    def states(self) -> int:
        """All judged states."""
        return sum(self.counts.values())


def flow(episodes: Iterable[Episode]) -> Flow | None:
    """The flow of scored episodes; None where no state can be judged in both modes."""
    driven = [episode for episode in scored(episodes) if episode.mode == COT]
    pairs = [pair for e in driven for step in e.steps if (pair := _pair(step)) is not None]
    prompt_right = _share(driven, lambda pair: pair[0] == "right")
    cot_right = _share(driven, lambda pair: pair[1] == "right")
    if prompt_right is None or cot_right is None:
        return None
    return Flow(
        counts=dict(Counter(pairs)),
        prompt_right=prompt_right,
        cot_right=cot_right,
        repaired=_share(driven, lambda p: None if p[0] == "right" else p[1] == "right"),
        broken=_share(driven, lambda p: p[1] != "right" if p[0] == "right" else None),
    )


def _pair(step: StepRecord) -> tuple[Judged, Judged] | None:
    prompt, cot = judged(step, PROMPT), judged(step, COT)
    return None if prompt is None or cot is None else (prompt, cot)


def _share(episodes: Sequence[Episode], counts: _Counts) -> Estimate | None:
    def of(step: StepRecord) -> bool | None:
        pair = _pair(step)
        return None if pair is None else counts(pair)

    return step_rate(episodes, of, "states")

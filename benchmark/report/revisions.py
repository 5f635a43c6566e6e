"""What reasoning did to the action, state by state. Pure functions over episodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from cotgap.benchmark.metrics.core import PAIR, Part, of_steps, revised, revision_gain, scored
from cotgap.benchmark.metrics.kinds import Rate
from cotgap.benchmark.records.episode import Episode, StepRecord
from cotgap.benchmark.stats.intervals import Estimate

Verdict = Literal["helpful", "harmful", "neutral", "unjudged", "same"]
Judged = Literal["right", "wrong", "none"]
JUDGED: tuple[Judged, ...] = ("right", "wrong", "none")
STATES = Rate(
    name="states",
    title="judged states",
    doc="Share of the judged states.",
    direction="neutral",
    order=0,
    count=lambda episode: (0, 0),
    over="states",
)
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
    """From the first mode's action to the second's over the judged states that the second drove.

    `counts` maps (judgement of the first, of the second) to states. `first_right` and
    `second_right` are shares of all of them, `repaired` of those where the first was not right,
    `broken` of those where it was; None where there is no such state.
    """

    counts: dict[tuple[Judged, Judged], int]
    first_right: Estimate
    second_right: Estimate
    repaired: Estimate | None
    broken: Estimate | None

    @property
    def states(self) -> int:
        """All judged states."""
        return sum(self.counts.values())


def flow(episodes: Iterable[Episode], pair: Part = PAIR) -> Flow | None:
    """The flow of scored episodes; None where no state can be judged in both modes."""
    driven = [episode for episode in scored(episodes) if episode.mode == pair[-1]]

    def judgements(step: StepRecord) -> tuple[Judged, Judged] | None:
        first, second = (judged(step, mode) for mode in pair)
        return None if first is None or second is None else (first, second)

    def share(counts: Callable[[Judged, Judged], bool | None]) -> Estimate | None:
        def verdict(step: StepRecord) -> bool | None:
            found = judgements(step)
            return None if found is None else counts(*found)

        return replace(STATES, count=of_steps(verdict)).estimate(driven, pair)

    first_right = share(lambda first, second: first == "right")
    second_right = share(lambda first, second: second == "right")
    if first_right is None or second_right is None:
        return None
    steps = (step for episode in driven for step in episode.steps)
    return Flow(
        counts=dict(Counter(found for step in steps if (found := judgements(step)) is not None)),
        first_right=first_right,
        second_right=second_right,
        repaired=share(lambda first, second: None if first == "right" else second == "right"),
        broken=share(lambda first, second: second != "right" if first == "right" else None),
    )

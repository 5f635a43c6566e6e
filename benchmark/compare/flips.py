"""The tasks whose outcome changed, and where the two episodes part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from cotgap.benchmark.compare.pairing import Pairs
from cotgap.benchmark.records.episode import Episode, StepRecord

Direction = Literal["won → lost", "lost → won"]
LOST: Direction = "won → lost"
WON: Direction = "lost → won"


@dataclass(frozen=True)
class Divergence:
    """The first step, from 1, at which two episodes' executed actions differ.

    An action is None where the agent gave none, or the episode had ended (`ended`).
    """

    step: int
    first: str | None
    second: str | None
    ended: Literal["first", "second", None] = None


@dataclass(frozen=True)
class Flip:
    """A task that one run solves more often: `before` and `after` are (successes, repeats).

    `first` and `second` are an episode of each run that show it; `divergence` is None where both
    took the same actions.
    """

    task: str
    kind: str
    mode: str
    direction: Direction
    before: tuple[int, int]
    after: tuple[int, int]
    first: Episode
    second: Episode
    divergence: Divergence | None


def flips(pairs: Pairs) -> list[Flip]:
    """Every flipped task in every mode: losses first, then the larger changes, then by key."""
    found = []
    for mode in pairs.modes:
        for key in pairs.tasks(mode):
            flip = _flip(key, mode, pairs.first[mode][key], pairs.second[mode][key])
            if flip is not None:
                found.append(flip)
    order = {mode: place for place, mode in enumerate(pairs.modes)}
    return sorted(found, key=lambda f: (order[f.mode], f.direction == WON, -_size(f), f.task))


def diverge(first: Episode, second: Episode) -> Divergence | None:
    """Where two episodes of one task part; None where they take the same actions to the end.

    Actions are compared by the suite's normal form, as the trajectory viewer compares them.
    """
    for at in range(max(len(first.steps), len(second.steps))):
        if at >= len(first.steps):
            return Divergence(at + 1, None, second.steps[at].decision.action, "first")
        if at >= len(second.steps):
            return Divergence(at + 1, first.steps[at].decision.action, None, "second")
        one, two = first.steps[at], second.steps[at]
        if _act(one) != _act(two):
            return Divergence(at + 1, one.decision.action, two.decision.action)
    return None


def _act(step: StepRecord) -> str | None:
    return step.canonical.get(step.decision.mode, step.decision.action)


def _flip(key: str, mode: str, first: Sequence[Episode], second: Sequence[Episode]) -> Flip | None:
    before, after = ((sum(e.success for e in task), len(task)) for task in (first, second))
    if Fraction(*before) == Fraction(*after):
        return None
    lost = Fraction(*before) > Fraction(*after)
    one, two = _example(first, second, won_before=lost)
    return Flip(
        task=key,
        kind=one.task_kind,
        mode=mode,
        direction=LOST if lost else WON,
        before=before,
        after=after,
        first=one,
        second=two,
        divergence=diverge(one, two),
    )


def _example(
    first: Sequence[Episode], second: Sequence[Episode], *, won_before: bool
) -> tuple[Episode, Episode]:
    """An episode of each run with different outcomes, of the same repeat if there is one."""
    one = [e for e in first if e.success == won_before]
    two = [e for e in second if e.success != won_before]
    for episode in one:
        for other in two:
            if episode.repeat == other.repeat:
                return episode, other
    return one[0], two[0]


def _size(flip: Flip) -> Fraction:
    return abs(Fraction(*flip.after) - Fraction(*flip.before))

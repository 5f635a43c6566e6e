"""Does something rise or fall over a series of checkpoints? Tests by task.

Every task is its own control: at each checkpoint it has a rate, and a linear contrast over the
checkpoints says by how much its rate is higher late than early. Tasks are independent, whatever
happens within them, so that the mean of their contrasts is tested as any paired difference is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from statistics import NormalDist

from cotgap.benchmark.stats import intervals
from cotgap.benchmark.stats.intervals import ALPHA, Estimate, Z

Rates = Sequence[Fraction | None]
"""A task's rate at each checkpoint in order; None where it has none there."""
STEPS = 10**6  # the grid that rates are put on: exact tests need common denominators


def trend(
    tasks: Mapping[str, Rates],
    rise: Callable[[Sequence[Fraction], Sequence[Fraction]], Estimate] | None = None,
) -> Estimate | None:
    """The rise over the series: late − early, in fractions of the rate's own scale.

    With checkpoints numbered in order, "late" and "early" are means of a task's rates, weighted by
    how far a checkpoint is behind or before the middle (the scores of the Cochran-Armitage test
    for trend). Two checkpoints: their difference. A task counts if it has a rate at two checkpoints
    or more. Interval, test and detectable effect are those of `rise`, which is given each task's
    early and late mean (by default `intervals.paired_difference`). None without such a task.
    """
    early, late = [], []
    for rates in tasks.values():
        known = [(number, rate) for number, rate in enumerate(rates) if rate is not None]
        if len(known) >= 2:
            low, high = _ends(known)
            early.append(low)
            late.append(high)
    if not early:
        return None
    found = rise(early, late) if rise else intervals.paired_difference(early, late, "tasks")
    return replace(found, method="linear contrast by task")


def _ends(known: Sequence[tuple[int, Fraction]]) -> tuple[Fraction, Fraction]:
    """(early, late) weighted means of a task's rates."""
    middle = Fraction(sum(number for number, _ in known), len(known))
    scores = [(number - middle, rate) for number, rate in known]
    span = sum(score for score, _ in scores if score > 0)
    late = sum((score * rate for score, rate in scores if score > 0), Fraction(0)) / span
    early = sum((-score * rate for score, rate in scores if score < 0), Fraction(0)) / span
    return _gridded(early), _gridded(late)


def _gridded(rate: Fraction) -> Fraction:
    return rate if rate.denominator <= STEPS else Fraction(round(rate * STEPS), STEPS)


def below(estimate: Estimate, margin: float) -> float:
    """Two-sided p of "the difference is `margin`", for showing that it is less.

    From the interval's centre and width; 1 where the centre is above the margin.
    """
    if estimate.low is None or estimate.high is None:
        return 1.0
    centre, error = (estimate.low + estimate.high) / 2, (estimate.high - estimate.low) / (2 * Z)
    if centre >= margin or not error:
        return 1.0
    return min(1.0, 2 * NormalDist().cdf(-(margin - centre) / error))


def holm(values: Sequence[float]) -> list[float]:
    """P values adjusted for their number (Holm 1979, Scand. J. Stat. 6), in the same order."""
    order = sorted(range(len(values)), key=lambda number: values[number])
    adjusted, least = [0.0] * len(values), 0.0
    for rank, number in enumerate(order):
        least = max(least, min(1.0, (len(values) - rank) * values[number]))
        adjusted[number] = least
    return adjusted


def significant(p: float | None) -> bool:
    """Whether a p value is at most 5 %."""
    return p is not None and p <= ALPHA

"""Differences of two runs' means and rates over the same tasks, where each task has many counts.

`intervals.paired_difference` serves what is one number in [-1, 1] per task (success, the CoT gap).
This is for what is not: tokens and steps, which have no bound, and shares of states, of which each
task has its own number in either run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from cotgap.benchmark.stats import intervals
from cotgap.benchmark.stats.intervals import ALPHA, LATTICE, POWER, Estimate

Floats = NDArray[np.float64]
Counted = Sequence[tuple[float | Fraction, float | Fraction]]
"""(sum, how many were summed) of each task."""


def mean_difference(first: Counted, second: Counted, unit: str) -> Estimate | None:
    """`second` − `first`, two means Σsums / Σtotals over the same tasks.

    Interval: Student's t on the tasks' residuals, as in `intervals.mean`; None on both sides where
    no task differs from the others. `p`: `intervals.sign_flip_p` of the tasks' contributions, which
    is exact where all tasks have as many trials in either run. None without a trial in either.
    """
    a, b = _array(first), _array(second)
    if not a[:, 1].sum() or not b[:, 1].sum():
        return None
    value, p = _ratio(b) - _ratio(a), _contributions_p(a, b)
    found = Estimate(value, None, None, len(a), unit, "none", p=p)
    if (spread := error(first, second)) is None:
        return found
    size, quantile = spread[0], intervals.student(spread[1])
    return replace(
        found,
        low=value - quantile * size,
        high=value + quantile * size,
        method="t by task",
        mde=(quantile + NormalDist().inv_cdf(POWER)) * size,
    )


def rise(early: Sequence[Fraction], late: Sequence[Fraction], unit: str) -> Estimate:
    """Mean of `late` − `early`, two unbounded numbers of each task, which count once each.

    As `mean_difference`; raises `ValueError` without a task.
    """
    found = mean_difference([(float(x), 1) for x in early], [(float(x), 1) for x in late], unit)
    if found is None:
        raise ValueError("no task to compare")
    return found


def no_worse(first: Counted, second: Counted, margin: float) -> tuple[float, float] | None:
    """(one-sided 95 % lower bound of `second` − `first`, one-sided p of "−margin or less").

    By Student's t on the tasks' residuals; None where no task differs from the others.
    """
    if (found := error(first, second)) is None:
        return None
    from scipy.special import stdtr, stdtrit

    size, freedom = found[0], max(found[1], 1.0)
    value = _ratio(_array(second)) - _ratio(_array(first))
    bound = value - float(stdtrit(freedom, 1 - ALPHA)) * size
    return bound, float(stdtr(freedom, -(value + margin) / size))


def error(first: Counted, second: Counted) -> tuple[float, float] | None:
    """(standard error, degrees of freedom) of the difference; None where it cannot be told."""
    a, b = _array(first), _array(second)
    k, residuals = len(a), _residuals(a, b)
    spread, scale = float((residuals**2).sum()), max(abs(_ratio(a)), abs(_ratio(b)))
    if k < 2 or spread <= (1e-9 * scale) ** 2 / k:
        return None
    return sqrt(spread * k / (k - 1)), intervals.effective_tasks(residuals) - 1


def rate_difference(first: Counted, second: Counted, unit: str) -> Estimate | None:
    """`second` − `first`, two shares Σsuccesses / Σtotals over the same tasks.

    As `mean_difference`, within [-1, 1]. Where no task differs from the others, the interval is
    that of two independent rates (`intervals.independent_difference`), which is wider.
    """
    found = mean_difference(first, second, unit)
    if found is None:
        return None
    if found.low is None or found.high is None:
        rates = [
            intervals.rate([float(x) for x, _ in s], [int(n) for _, n in s], unit)
            for s in (first, second)
        ]
        apart = intervals.independent_difference(*rates)
        return replace(apart, n=found.n, p=found.p)
    mde = None if found.mde is None or found.mde > 1 else found.mde  # more than there can be
    return replace(found, low=max(-1.0, found.low), high=min(1.0, found.high), mde=mde)


def _array(counted: Counted) -> Floats:
    return np.array([(float(x), float(n)) for x, n in counted], dtype=np.float64).reshape(-1, 2)


def _ratio(rows: Floats) -> float:
    return float(rows[:, 0].sum() / rows[:, 1].sum())


def _residuals(a: Floats, b: Floats) -> Floats:
    """By how much each task moves the difference."""
    first, second = ((rows[:, 0] - _ratio(rows) * rows[:, 1]) / rows[:, 1].sum() for rows in (a, b))
    found: Floats = second - first
    return found


def _contributions_p(a: Floats, b: Floats) -> float:
    """Two-sided p of no difference: what each task adds to it could have the other sign."""
    both = _ratio(a + b)
    added = (b[:, 0] - both * b[:, 1]) / b[:, 1].sum() - (a[:, 0] - both * a[:, 1]) / a[:, 1].sum()
    most = float(np.abs(added).max())
    if most <= 1e-12 * max(abs(both), 1e-300):
        return 1.0
    grid = max(1, LATTICE // len(added))
    return intervals.sign_flip_p(
        [Fraction(round(x / most * grid), grid) for x in map(float, added)]
    )

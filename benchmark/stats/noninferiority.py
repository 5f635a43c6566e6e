"""Is a candidate no worse than a baseline, by more than a margin? Exactly, with single trials.

"Not significant" never means "no worse": with few tasks nothing is significant. Here the null
hypothesis is that the candidate *is* worse, by the margin or more, and "no worse" rejects it.

With one trial per task and side, tasks are lost, won or equal, and the statistic is Tango's score
(1998, Stat. Med. 17:891; Nam 1997, Biometrics 53:1422): how far the difference is above −margin, in
standard errors under the likeliest rates *whose difference is −margin*. (A Wald interval takes the
rates seen, and is too sure where few tasks differ: with 134 tasks and a margin of 3 points, Bonett
& Price's would pass 8.7 % of candidates that lose 3 % and win nothing.) The p value is the largest
over all rates of lost and won tasks that differ by the margin (Hsueh, Liu & Chen 2001, Biometrics
57:478), so that the level holds with any number of tasks.

With repeats a task's difference is a fraction. The likeliest distribution is then that of the
empirical likelihood (Owen 2001) on [-1, 1], which with single trials is Tango's, and p is what that
statistic has with single trials. The level is then not exact: with binomial repeats of few tasks
it was up to 6.5 % instead of 5, and 8 % for the most awkward fractions.
`python -m tools.simulations.gate` prints how often the verdicts are wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from cotgap.benchmark.stats.intervals import ALPHA

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SHARES = 61  # at how many shares of won tasks a chance is looked at, and as many near the worst
NEGLIGIBLE = 1e-10  # chance of a number of won tasks
MANY = 200  # tasks
RESOLUTION = 1e-4  # of a lower bound


def p_no_worse(differences: Sequence[Fraction], margin: float) -> float:
    """One-sided p of "the mean is −margin or less", from one difference per task in [-1, 1].

    `margin` is in (0, 1). Raises `ValueError` without a task.
    """
    z = score(differences, margin)
    return worst_chance(z, len(differences), margin) if z > 0 else 1.0


def lower_bound(differences: Sequence[Fraction]) -> float:
    """One-sided 95 % lower bound of the mean: −(the smallest margin at which it is no worse).

    At most the mean, at least −1, and correct to `RESOLUTION`. A mean above 0 is bounded at 0 at
    best: margins are positive.
    """
    low, high = RESOLUTION, 1 - RESOLUTION
    if p_no_worse(differences, high) > ALPHA:
        return -1.0
    while high - low > RESOLUTION:
        margin = (low + high) / 2
        low, high = (low, margin) if p_no_worse(differences, margin) <= ALPHA else (margin, high)
    return -high


def score(differences: Sequence[Fraction], margin: float) -> float:
    """The statistic, which grows with the evidence that the mean is above −margin."""
    if not differences:
        raise ValueError("no task to compare")
    seen = Counter(differences)
    above = np.array([float(value) for value in seen]) + margin
    shares = np.array([count / len(differences) for count in seen.values()])
    mean = float(shares @ above)
    if mean <= 1e-12:
        return 0.0
    weights, least = _likeliest(above, shares, margin)
    variance = float(weights @ above**2) + least * (1 - margin) ** 2
    return mean * sqrt(len(differences) / variance)


def critical_losses(n: int, margin: float) -> Ints:
    """For 0, 1, ... n won tasks: with how many lost ones n tasks are still no worse, -1 for none.

    Shape (n + 1,). For plans: beyond `MANY` tasks by the normal quantile, which is faster, and
    whose level is between 5 and 6 % there. Verdicts are by `p_no_worse`, exact at any n.
    """
    if n > MANY:
        return _most_losses(NormalDist().inv_cdf(1 - ALPHA), n, margin)
    return _most_losses(critical_score(n, margin), n, margin)


def critical_score(n: int, margin: float) -> float:
    """The statistic at and above which n tasks are no worse, to 0.001."""
    low, high = 1.0, 6.0
    while high - low > 1e-3:
        z = (low + high) / 2
        low, high = (low, z) if worst_chance(z, n, margin) <= ALPHA else (z, high)
    return high


@lru_cache(maxsize=4096)
def worst_chance(z: float, n: int, margin: float) -> float:
    """The largest chance of a statistic of z > 0 or more among n tasks that lose `margin`."""
    losses, found = _most_losses(z, n, margin), 0.0
    places = np.linspace(0, 1, SHARES)
    for step in (1 / (SHARES - 1), None):
        won = (1 - margin) / 2 * np.sin(np.pi / 2 * places) ** 2  # the ends change fastest
        chances = chance(losses, won, won + margin)
        found = max(found, float(chances.max()))
        if step is not None:
            best = np.sort(places[np.argsort(chances)[-3:]])
            places = np.unique(np.clip(best[:, None] + step * np.linspace(-1, 1, 15), 0, 1))
    return found


def chance(most_losses: Ints, won: Floats, lost: Floats) -> Floats:
    """Chance of at most `most_losses[c]` lost tasks at c won ones, for shares of either.

    Shapes: (n + 1,), (k,), (k,) → (k,).
    """
    from scipy.special import bdtr, gammaln, xlog1py, xlogy

    n = len(most_losses) - 1
    c, won, lost = np.arange(n + 1), won[:, None], lost[:, None]
    ways = gammaln(n + 1) - gammaln(c + 1) - gammaln(n - c + 1)
    chances = np.exp(ways + xlogy(c, won) + xlog1py(n - c, -won))
    share = np.minimum(1.0, lost / np.maximum(1 - won, 1e-300))  # of those that are not won
    matters = (chances > NEGLIGIBLE) & (most_losses >= 0)
    most, left, share = (np.broadcast_to(x, matters.shape) for x in (most_losses, n - c, share))
    chances[matters] *= bdtr(most[matters], left[matters], share[matters])
    found: Floats = np.where(matters, chances, 0.0).sum(axis=1)
    return found


def _most_losses(z: float, n: int, margin: float) -> Ints:
    """For each number of won tasks: with how many lost ones the statistic is still z; by halving.

    The statistic falls with every lost task.
    """
    won = np.arange(n + 1)
    low, high = np.full(n + 1, -1), n - won + 1
    while (high - low > 1).any():
        lost = np.minimum((low + high) // 2, n - won)
        reached = _single_score(lost, won, n, margin) >= z - 1e-9
        low, high = np.where(reached, lost, low), np.where(reached, high, lost)
    return low


def _single_score(lost: Ints, won: Ints, n: int, margin: float) -> Floats:
    """`score` with single trials, by Tango's closed form."""
    middle = (lost + won) * (1 - margin) - 2 * margin * (n - lost)
    share = (middle + np.sqrt(middle**2 + 8 * n * won * margin * (1 - margin))) / (4 * n)
    variance = 2 * share + margin - margin**2  # of a task, `share` of which are won
    found: Floats = (won - lost + n * margin) / np.sqrt(n * variance)
    return found


def _likeliest(above: Floats, shares: Floats, margin: float) -> tuple[Floats, float]:
    """The likeliest probabilities of the values seen, and of -1 if not seen, with mean −margin.

    `above` are the values + margin; their mean is positive. By Lagrange: each value's share over
    1 + λ·above, where λ grows until the mean is right or -1 takes what is left.
    """
    from scipy.optimize import brentq

    most = 1 / (1 - margin)
    worst = 1 + most * above  # 0 for a value of -1
    if worst.min() > 1e-9:
        weights = shares / worst
        if weights.sum() <= 1 + 1e-12:
            return weights, max(0.0, float(1 - weights.sum()))
    end = min(most, 1 / -above.min()) * (1 - 1e-12) if above.min() < 0 else most
    root = brentq(lambda size: float((shares * above / (1 + size * above)).sum()), 0.0, end)
    return shares / (1 + float(root) * above), 0.0

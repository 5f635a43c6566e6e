"""The statistic against its closed form, the level exactly and by simulation, and what must hold.

`python -m tools.simulations.gate` prints precise levels.
"""

from __future__ import annotations

from fractions import Fraction
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import multinomial

from cotgap.benchmark.stats import intervals, noninferiority
from cotgap.benchmark.stats.noninferiority import critical_losses, lower_bound, p_no_worse, score
from tools.simulations import gate

MINUS, ZERO, ONE = Fraction(-1), Fraction(0), Fraction(1)


def tasks(lost: int, won: int, n: int) -> list[Fraction]:
    return [MINUS] * lost + [ONE] * won + [ZERO] * (n - lost - won)


@pytest.mark.parametrize(("lost", "won", "n"), [(0, 0, 20), (3, 2, 50), (0, 5, 30), (7, 0, 134)])
@pytest.mark.parametrize("margin", [0.03, 0.15])
def test_single_trials_are_tangos(lost: int, won: int, n: int, margin: float) -> None:
    """By maximising the likelihood under the null hypothesis numerically."""

    def surprise(share: float) -> float:
        chances = (share + margin, share, 1 - 2 * share - margin)
        counts = (lost, won, n - lost - won)
        return -sum(c * np.log(max(p, 1e-300)) for c, p in zip(counts, chances, strict=True) if c)

    found = minimize_scalar(
        surprise, bounds=(0, (1 - margin) / 2), method="bounded", options={"xatol": 1e-12}
    )
    variance = 2 * found.x + margin - margin**2
    expected = (won - lost + n * margin) / sqrt(n * variance)
    if expected > 0:
        assert score(tasks(lost, won, n), margin) == pytest.approx(expected, rel=1e-4)
    else:
        assert p_no_worse(tasks(lost, won, n), margin) == 1


def test_p_is_the_worst_case_over_all_outcomes() -> None:
    """Against the sum over every outcome that is at least as good, at every rate."""
    n, margin, lost, won = 15, 0.1, 1, 3
    seen = score(tasks(lost, won, n), margin)
    as_good = [
        (b, c)
        for b in range(n + 1)
        for c in range(n + 1 - b)
        if score(tasks(b, c, n), margin) >= seen - 1e-9
    ]
    outcomes = [[b, c, n - b - c] for b, c in as_good]
    chances = [
        multinomial.pmf(outcomes, n, [x + margin, x, max(0.0, 1 - 2 * x - margin)]).sum()
        for x in np.linspace(0, (1 - margin) / 2, 500)
    ]
    assert p_no_worse(tasks(lost, won, n), margin) == pytest.approx(max(chances), abs=1e-4)


@pytest.mark.parametrize("n", [12, 50, 134])
@pytest.mark.parametrize("margin", [0.03, 0.1])
def test_level_is_exact(n: int, margin: float) -> None:
    """Of all candidates that are worse by just the margin, at most one in twenty passes."""
    assert 0.02 < gate.exact_level(n, margin) <= 0.05 + 1e-4


def test_a_wald_interval_would_not_do() -> None:
    """The figure in the module's docstring."""
    n, margin = 134, 0.03
    z90 = 1.6448536269514722

    def passes(lost: int) -> bool:
        squares, centre = (lost + 2) / (n + 2), -lost / (n + 2)
        return centre - z90 * sqrt((squares - centre**2) / (n + 2)) > -margin

    chance = sum(
        multinomial.pmf([b, n - b], n, [margin, 1 - margin]) for b in range(n) if passes(b)
    )
    assert chance == pytest.approx(0.087, abs=5e-4)


@pytest.mark.parametrize(("n", "margin"), [(20, 0.1), (134, 0.05)])
@pytest.mark.parametrize("loss", gate.LOSSES)
def test_level_with_repeats(n: int, margin: float, loss: str) -> None:
    simulations = 300
    rates = [
        gate.passes(ability, loss, margin, 3, n, simulations)
        for ability in ("halves", "hard", "easy")
    ]
    assert np.mean(rates) <= 0.05 + 3 * sqrt(0.05 * 0.95 / (3 * simulations))


@pytest.mark.parametrize("n", [20, 50])
def test_equal_candidates_are_seldom_worse(n: int) -> None:
    simulations = 400
    rate = gate.false_alarms("halves", 3, n, simulations)
    assert rate <= 0.025 + 3 * sqrt(0.025 * 0.975 / simulations)


def test_the_region_is_that_of_p() -> None:
    n, margin = 40, 0.1
    most = critical_losses(n, margin)
    for won in (0, 2, 6):
        for lost in range(8):
            passes = p_no_worse(tasks(lost, won, n), margin) <= intervals.ALPHA
            assert passes == (lost <= most[won])


def test_bound_covers() -> None:
    """The one-sided bound lies below the truth in 95 of 100, over all outcomes of 8 tasks."""
    n = 8
    outcomes = [(b, c) for b in range(n + 1) for c in range(n + 1 - b)]
    bounds = np.array([lower_bound(tasks(b, c, n)) for b, c in outcomes])
    counts = [[b, c, n - b - c] for b, c in outcomes]
    for lost, won in ((0.1, 0.0), (0.3, 0.1), (0.5, 0.2), (0.2, 0.2), (0.9, 0.0)):
        chances = multinomial.pmf(counts, n, [lost, won, 1 - lost - won])
        assert chances[bounds <= won - lost + 1e-9].sum() >= 0.95 - 1e-3


differences = st.lists(st.fractions(-1, 1, max_denominator=4), min_size=1, max_size=30)


@given(differences, st.sampled_from([0.02, 0.05, 0.1, 0.3]))
@settings(max_examples=60, deadline=None)
def test_any_differences(moved: list[Fraction], margin: float) -> None:
    p = p_no_worse(moved, margin)
    assert 0 <= p <= 1
    assert p_no_worse(moved[::-1], margin) == pytest.approx(p)
    better = [min(ONE, d + Fraction(1, 4)) for d in moved]
    assert score(better, margin) >= score(moved, margin) - 1e-9
    bound = lower_bound(moved)
    assert -1 <= bound <= float(sum(moved)) / len(moved) + noninferiority.RESOLUTION
    assert (p <= intervals.ALPHA) == (bound > -margin) or abs(bound + margin) < 2e-4


def test_nothing_is_no_worse_without_a_task() -> None:
    with pytest.raises(ValueError, match="no task"):
        p_no_worse([], 0.1)

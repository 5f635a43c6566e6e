"""Trends that are there are found, and those that are not are not: by simulation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from cotgap.benchmark.stats.intervals import paired_difference
from cotgap.benchmark.stats.trends import Rates, below, holm, trend

pytestmark = pytest.mark.usefixtures("no_mde")
Draw = Callable[[np.random.Generator], dict[str, Rates]]


def binary(chances: Sequence[float], tasks: int, correlation: float) -> Draw:
    """One trial of each task at each checkpoint; a task's trials share its own difficulty."""

    def draw(rng: np.random.Generator) -> dict[str, Rates]:
        found: dict[str, Rates] = {}
        for task in range(tasks):
            level = rng.random()
            luck = np.where(rng.random(len(chances)) < correlation, level, rng.random(len(chances)))
            found[str(task)] = [Fraction(int(u < p)) for u, p in zip(luck, chances, strict=True)]
        return found

    return draw


def states(chances: Sequence[float], tasks: int) -> Draw:
    """Shares of 1 to 12 states, with a rate of its own for each task."""

    def draw(rng: np.random.Generator) -> dict[str, Rates]:
        found: dict[str, Rates] = {}
        for task in range(tasks):
            shift = rng.normal(0, 0.1)
            rates = []
            for chance in chances:
                n = int(rng.integers(1, 13))
                p = float(np.clip(chance + shift, 0, 1))
                rates.append(Fraction(int(rng.binomial(n, p)), n))
            found[str(task)] = rates
        return found

    return draw


def rejections(draw: Draw, times: int = 300) -> tuple[float, float]:
    """(share of samples with a significant rise, with a significant fall)."""
    rng = np.random.default_rng(3)
    rises = falls = 0
    for _ in range(times):
        found = trend(draw(rng))
        assert found is not None
        assert found.p is not None
        rises += found.p <= 0.05 and found.value > 0
        falls += found.p <= 0.05 and found.value < 0
    return rises / times, falls / times


@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_no_trend_is_not_found(correlation: float) -> None:
    for chance in (0.1, 0.5):
        rises, falls = rejections(binary([chance] * 5, 40, correlation))
        assert rises + falls < 0.09  # 5 %, and what 300 samples allow
    rises, falls = rejections(states([0.3] * 4, 30))
    assert rises + falls < 0.09


def test_a_trend_is_found() -> None:
    rises, falls = rejections(binary([0.2, 0.35, 0.5, 0.65], 40, 0.5))
    assert rises > 0.9
    assert falls == 0
    rises, falls = rejections(states([0.5, 0.4, 0.3, 0.2], 40))
    assert falls > 0.9
    assert rises == 0


def test_the_interval_holds_the_contrast() -> None:
    """Its truth: (¼·p₂ + ¾·p₃) − (¾·p₀ + ¼·p₁) for four checkpoints."""
    chances = [0.2, 0.3, 0.45, 0.5]
    truth = 0.25 * chances[2] + 0.75 * chances[3] - 0.75 * chances[0] - 0.25 * chances[1]
    rng, held = np.random.default_rng(5), 0
    for _ in range(300):
        found = trend(binary(chances, 30, 0.5)(rng))
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high
    assert held / 300 > 0.92


def test_two_checkpoints_are_a_paired_difference() -> None:
    rates = {"a": [Fraction(0), Fraction(1)], "b": [Fraction(1, 2), Fraction(1)]}
    found = trend(rates)
    plain = paired_difference([r[0] for r in rates.values()], [r[1] for r in rates.values()], "t")
    assert found is not None
    assert (found.value, found.low, found.high, found.p) == (
        plain.value, plain.low, plain.high, plain.p,
    )  # fmt: skip


def test_a_gap_in_a_task_leaves_the_rest_of_it() -> None:
    half, full = Fraction(1, 2), Fraction(1)
    found = trend(
        {"a": [Fraction(0), None, full], "b": [None, half, full], "c": [None, None, half]}
    )
    assert found is not None
    assert found.n == 2
    assert found.value == pytest.approx((1 + 0.5) / 2)
    assert trend({"a": [None, half]}) is None
    assert trend({}) is None


def test_holm_is_statsmodels() -> None:
    rng = np.random.default_rng(0)
    for count in range(1, 13):
        values = [round(float(p), 2) for p in rng.random(count) ** 3]  # ties and zeros among them
        assert holm(values) == pytest.approx(list(multipletests(values, method="holm")[1]))


def test_a_gap_that_does_not_widen() -> None:
    same = [Fraction(number % 2) for number in range(400)]
    steady = paired_difference(same, same, "t")
    assert below(steady, 0.05) < 0.001
    few = paired_difference([Fraction(0)] * 10, [Fraction(0)] * 10, "t")
    assert below(few, 0.05) > 0.05, "ten tasks without a change do not show that there is none"
    widening = paired_difference([Fraction(0)] * 50, [Fraction(1)] * 50, "t")
    assert below(widening, 0.05) == 1

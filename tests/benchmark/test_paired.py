"""Differences of means and shares of two runs: known values, coverage, and what must hold."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from cotgap.benchmark.stats.paired import mean_difference, rate_difference
from tools.simulations.intervals import Family, coverage, families

FAMILIES = [family for family in families() if family.name.startswith("two runs")]


def test_one_trial_each_is_a_paired_t() -> None:
    a, b = [10.0, 20.0, 30.0, 40.0], [12.0, 18.0, 32.0, 38.0]
    found = mean_difference([(x, 1) for x in a], [(x, 1) for x in b], "tasks")
    assert found is not None
    expected = ttest_rel(b, a).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.p == 1  # the signs cancel


def test_the_test_is_exact() -> None:
    """All of six tasks take more steps: 2 of 2⁶ patterns of signs are as extreme."""
    first = [(x, 1) for x in (5, 9, 4, 8, 7, 6)]
    second = [(x + y, 1) for (x, _), y in zip(first, (1, 2, 3, 1, 5, 2), strict=True)]
    found = mean_difference(first, second, "tasks")
    assert found is not None
    assert found.p == pytest.approx(2 / 64)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
@pytest.mark.parametrize("k", [4, 20, 50])
def test_intervals_cover(family: Family, k: int) -> None:
    simulations = 200
    hits = [coverage(family, one, k, simulations)[0, 0] for one in family.scenarios]
    assert min(hits) >= 0.93 - 3.5 * sqrt(0.93 * 0.07 / simulations)
    assert np.mean(hits) >= 0.93


def test_no_difference_at_all() -> None:
    same = [(7, 1), (9, 1), (4, 1)]
    found = mean_difference(same, same, "tasks")
    assert found is not None
    assert (found.value, found.low, found.high, found.p) == (0, None, None, 1)
    never = [(0, 10), (0, 20), (0, 5)]
    rate = rate_difference(never, never, "tasks")
    assert rate is not None
    assert rate.low is not None
    assert rate.low < -0.1 < 0.1 < (rate.high or 0)
    assert mean_difference([(0, 0)], [(1, 1)], "tasks") is None


counts = st.lists(
    st.tuples(
        *(st.integers(0, 30).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),) * 2
    ),
    min_size=1,
    max_size=25,
).filter(lambda tasks: all(any(side[i][1] for side in tasks) for i in (0, 1)))


@given(counts)
@settings(max_examples=80, deadline=None)
def test_any_shares(tasks: list[tuple[tuple[int, int], tuple[int, int]]]) -> None:
    first, second = map(list, zip(*tasks, strict=True))
    found = rate_difference(first, second, "tasks")
    back = rate_difference(second, first, "tasks")
    assert found is not None
    assert back is not None
    assert found.low is not None
    assert found.high is not None
    assert -1 <= found.low <= found.value <= found.high <= 1
    assert (-(back.high or 0), -(back.low or 0), -back.value) == pytest.approx(
        (found.low, found.high, found.value), abs=1e-9
    )
    assert found.p == pytest.approx(back.p, abs=1e-3)
    assert 0 < (found.p or 0) <= 1

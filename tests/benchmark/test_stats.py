"""Known values, exact and simulated coverage, power, and what must hold for any data.

Simulated coverages are compared with 93 % less three standard errors of the simulation; run
`python -m tools.simulations.intervals` for precise ones.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict
from fractions import Fraction
from functools import cache
from itertools import combinations, product
from math import comb, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom, multinomial
from scipy.stats import t as student
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from cotgap.benchmark.stats import intervals
from tools.simulations.intervals import Family, coverage, families

TARGET = 0.93
ZERO, ONE = Fraction(0), Fraction(1)


def tolerated(simulations: int) -> float:
    return TARGET - 3 * sqrt(TARGET * (1 - TARGET) / simulations)


def paired(higher: int, lower: int, equal: int) -> tuple[list[Fraction], list[Fraction]]:
    first = [ZERO] * higher + [ONE] * lower + [ONE] * equal
    return first, [ONE] * higher + [ZERO] * lower + [ONE] * equal


def test_import_is_cheap() -> None:
    code = (
        "import sys, cotgap.benchmark.stats.intervals, cotgap.benchmark.metrics.core;"
        "print('scipy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# One rate.


@pytest.mark.parametrize("n", [1, 4, 20, 134])
def test_wilson_is_statsmodels(n: int) -> None:
    for successes in range(n + 1):
        found = intervals.rate([1] * successes + [0] * (n - successes), [1] * n, "episodes")
        low, high = proportion_confint(successes, n, method="wilson")
        assert (found.low, found.high) == pytest.approx((low, high), abs=1e-12)
        assert (found.value, found.n, found.clusters) == (successes / n, n, None)


def test_known_rates() -> None:
    # Newcombe (1998), Stat. Med. 17:857, table I, method 3: 81/263, 15/148, 0/20, 1/29.
    for successes, n, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert intervals.wilson(successes / n, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("n", [4, 10, 20, 50, 134, 140])
def test_wilson_coverage_is_exact_in_the_mean(n: int) -> None:
    """Averaged over all rates; at single rates near 0 and 1 Wilson's interval dips to 83 %."""
    successes = np.arange(n + 1)
    low, high = np.array([intervals.wilson(x / n, n) for x in successes]).T
    rates = np.linspace(0.0005, 0.9995, 1000)
    covered = [binom.pmf(successes, n, p)[(low <= p) & (p <= high)].sum() for p in rates]
    assert np.mean(covered) >= 0.945
    assert np.min(covered) >= 0.83


CLUSTERED = [family for family in families() if family.name.startswith("rate")][1:3]


@pytest.mark.parametrize("family", CLUSTERED, ids=lambda f: f.name)
@pytest.mark.parametrize("k", [4, 20, 140])
def test_clustered_rate_covers(family: Family, k: int) -> None:
    simulations = 150
    hits = [coverage(family, scenario, k, simulations)[0, 0] for scenario in family.scenarios[1::3]]
    assert min(hits) >= tolerated(simulations)
    assert np.mean(hits) >= TARGET


def test_tasks_that_are_all_or_nothing_count_once() -> None:
    for successes, k in product((0, 1, 7, 20), (20,)):
        won = [1] * successes + [0] * (k - successes)
        found = intervals.rate([5 * x for x in won], [5] * k, "states")
        assert (found.low, found.high) == pytest.approx(intervals.wilson(successes / k, k))
        assert (found.n, found.clusters) == (5 * k, k)


def test_independent_steps_count_each() -> None:
    rng = np.random.default_rng(0)
    successes = rng.binomial(30, 0.4, 200)
    found = intervals.rate(list(successes), [30] * 200, "states")
    low, high = intervals.wilson(found.value, 6000)
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low == pytest.approx(high - low, rel=0.15)


def test_no_variance_between_tasks_is_not_certainty() -> None:
    for successes in (0, 10):
        found = intervals.rate([successes] * 25, [10] * 25, "states")
        assert (found.low, found.high) == pytest.approx(intervals.wilson(successes / 10, 25))


def test_tasks_without_trials_do_not_count() -> None:
    assert intervals.rate([1, 0, 0], [2, 3, 0], "states") == intervals.rate(
        [0, 1], [3, 2], "states"
    )


@pytest.mark.parametrize(
    ("successes", "totals"), [([], []), ([0], [0]), ([2], [1]), ([-1], [1]), ([0], [-1]), ([1], [])]
)
def test_bad_rates_raise(successes: list[float], totals: list[int]) -> None:
    with pytest.raises(ValueError, match=r"trial|successes|totals|argument"):
        intervals.rate(successes, totals, "states")


trials = st.lists(
    st.integers(0, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    min_size=1,
    max_size=40,
).filter(lambda tasks: any(n for _, n in tasks))


@given(trials, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_any_rate(tasks: list[tuple[int, int]], random: object) -> None:
    found = intervals.rate(*map(list, zip(*tasks, strict=True)), "states")
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.high - found.low > 0.001
    assert found.mde is None or 0 < found.mde <= 1
    shuffled = list(tasks)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert intervals.rate(*map(list, zip(*shuffled, strict=True)), "states") == found
    turned = intervals.rate([n - x for x, n in tasks], [n for _, n in tasks], "states")
    assert (1 - turned.value, 1 - (turned.high or 0), 1 - (turned.low or 0)) == pytest.approx(
        (found.value, found.low, found.high), abs=1e-9
    )


# Means.


def test_mean_of_equal_tasks_is_student() -> None:
    # Residuals of one size: as many effective tasks as tasks.
    x = [10.0, 20.0] * 10
    found = intervals.mean(x, [1] * 20, "episodes")
    half = student.ppf(0.975, 19) * np.std(x, ddof=1) / sqrt(20)
    assert (found.low, found.high) == pytest.approx((15 - half, 15 + half))
    assert found.method == "t"


def test_mean_weighs_by_episodes() -> None:
    found = intervals.mean([30, 10], [3, 1], "episodes")
    assert (found.value, found.n, found.clusters) == (10, 4, 2)
    assert found.low is None  # both tasks have the mean 10


@pytest.mark.parametrize("sums", [[7.0], [0.1] * 30, [0.0] * 4])
def test_mean_without_variance_has_no_interval(sums: list[float]) -> None:
    found = intervals.mean(sums, [1] * len(sums), "episodes")
    assert (found.low, found.high, found.method) == (None, None, "none")


def test_mean_stays_above_its_least() -> None:
    found = intervals.mean([1.0, 50.0, 1.0], [1, 1, 1], "episodes", least=0.0)
    assert found.low == 0
    assert found.high is not None
    with pytest.raises(ValueError, match="no trial"):
        intervals.mean([], [], "episodes")


@pytest.mark.parametrize("k", [10, 20, 50, 140])
def test_mean_covers(k: int) -> None:
    simulations = 300
    (family,) = (family for family in families() if family.name == "mean")
    for scenario in family.scenarios:
        assert coverage(family, scenario, k, simulations)[0, 0] >= tolerated(simulations)


# Paired differences.


def test_known_paired_difference() -> None:
    # The airway data of Fagerland et al. (2014), table V: 1 and 7 discordant of 21.
    found = intervals.paired_difference(*paired(1, 7, 13), "tasks")
    assert (found.low, found.high) == pytest.approx((-0.508, -0.013), abs=5e-4)
    assert found.value == pytest.approx(-6 / 21)
    assert found.p == pytest.approx(0.0703, abs=5e-5)
    assert found.counts == {"higher": 1, "lower": 7, "equal": 13}


def test_sign_flip_is_exact_mcnemar() -> None:
    for higher, lower in product(range(15), repeat=2):
        p = intervals.sign_flip_p([ONE] * higher + [-ONE] * lower + [ZERO] * 3)
        expected = mcnemar([[3, higher], [lower, 0]], exact=True).pvalue
        assert p == pytest.approx(min(expected, 1.0), abs=1e-12)


@given(st.lists(st.fractions(-1, 1, max_denominator=6), min_size=1, max_size=8))
@settings(max_examples=100, deadline=None)
def test_sign_flip_is_every_pattern(differences: list[Fraction]) -> None:
    seen = abs(sum(differences))
    sums = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in product((-1, 1), repeat=len(differences))
    ]
    expected = sum(x >= seen for x in sums) / len(sums)
    assert intervals.sign_flip_p(differences) == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.fractions("1/50", 1, max_denominator=60), min_size=1, max_size=8))
@settings(max_examples=100, deadline=None)
def test_sign_flip_of_differences_that_all_rise(differences: list[Fraction]) -> None:
    """Only all signs, or none, give as much; rounding to a grid may not lose both."""
    expected = pytest.approx(2 / 2 ** len(differences))
    assert intervals.sign_flip_p(differences) == expected


def test_sign_flip_of_unwieldy_fractions() -> None:
    rng = np.random.default_rng(0)
    repeats = rng.integers(20, 60, 140)  # their common denominator has some twenty digits
    d = [
        Fraction(int(x), int(r)) for x, r in zip(rng.binomial(repeats, 0.52), repeats, strict=True)
    ]
    d = [x - Fraction(1, 2) for x in d]
    values = np.array(list(map(float, d)))
    flipped = np.abs(rng.choice([-1, 1], (20_000, 140)) @ values)
    expected = (flipped >= abs(values.sum())).mean()
    assert intervals.sign_flip_p(d) == pytest.approx(expected, abs=0.015)


@pytest.mark.parametrize("n", [4, 10, 20, 50, 140])
def test_sign_flip_keeps_its_level(n: int) -> None:
    """Exactly: the chance to reject when a discordant task goes either way."""
    p_values = {
        (a, b): intervals.sign_flip_p([ONE] * a + [-ONE] * b)
        for a in range(n + 1)
        for b in range(n + 1 - a)
        if a + b <= 60
    }
    for discordance in (0.05, 0.2, 0.4):
        chance = sum(
            multinomial.pmf([a, b, n - a - b], n, [discordance / 2] * 2 + [1 - discordance])
            for (a, b), p in p_values.items()
            if p <= intervals.ALPHA
        )
        beyond = binom.sf(60, n, discordance)
        assert chance <= 0.05 + 0.05 * beyond


def test_sign_flip_keeps_its_level_with_repeats() -> None:
    rng = np.random.default_rng(0)
    simulations, rejected = 1000, 0
    for _ in range(simulations):
        p = rng.beta(0.5, 0.5, 20)
        wins = rng.binomial(3, p) - rng.binomial(3, p)
        rejected += intervals.sign_flip_p([Fraction(int(x), 3) for x in wins]) <= intervals.ALPHA
    assert rejected / simulations <= 0.05 + 3 * sqrt(0.05 * 0.95 / simulations)


@pytest.mark.parametrize("n", [4, 10, 20, 50, 140])
def test_paired_interval_covers_exactly(n: int) -> None:
    """Over all outcomes, for one repeat; the coverage depends on the discordant shares alone."""
    most = min(n, 50)  # discordant tasks that are looked at; the rest counts as not covered
    outcomes = [(a, b) for a in range(most + 1) for b in range(most + 1 - a)]
    bounds = np.array(
        [intervals.bonett_price([ONE] * a + [-ONE] * b + [ZERO] * (n - a - b)) for a, b in outcomes]
    )
    a, b = np.array(outcomes).T
    coverages = []
    for discordance, tilt in product((0.02, 0.05, 0.1, 0.2, 0.4, 0.7), (0.0, 0.3, 0.7, 1.0)):
        if binom.sf(most, n, discordance) > 1e-4:
            continue
        up, down = discordance * (1 + tilt) / 2, discordance * (1 - tilt) / 2
        chance = multinomial.pmf(np.stack([a, b, n - a - b], 1), n, [up, down, 1 - discordance])
        inside = (bounds[:, 0] <= up - down + 1e-12) & (up - down <= bounds[:, 1] + 1e-12)
        coverages.append(chance[inside].sum())
    assert len(coverages) >= 16
    assert min(coverages) >= 0.92
    assert np.quantile(coverages, 0.1) >= TARGET
    assert np.mean(coverages) >= 0.95


REPEATED = [f for f in families() if f.name in ("gap, 3 repeats", "headroom, 3 repeats")]


@pytest.mark.parametrize("family", REPEATED, ids=lambda f: f.name)
@pytest.mark.parametrize("k", [4, 20, 140])
def test_repeated_pairs_cover(family: Family, k: int) -> None:
    simulations = 100
    hits = [coverage(family, scenario, k, simulations)[0, 0] for scenario in family.scenarios]
    assert min(hits) >= tolerated(simulations)
    assert np.mean(hits) >= TARGET


def test_no_difference_is_not_certainty() -> None:
    found = intervals.paired_difference([ONE] * 20, [ONE] * 20, "tasks")
    assert (found.value, found.p) == (0, 1)
    assert found.low is not None
    assert found.high is not None
    assert found.low == -found.high < -0.1


rates = st.lists(
    st.tuples(st.fractions(0, 1, max_denominator=5), st.fractions(0, 1, max_denominator=5)),
    min_size=1,
    max_size=30,
)


@given(rates, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_any_pairs(pairs: list[tuple[Fraction, Fraction]], random: object) -> None:
    first, second = map(list, zip(*pairs, strict=True))
    found = intervals.paired_difference(first, second, "tasks")
    assert found.low is not None
    assert found.high is not None
    assert -1 <= found.low <= found.value <= found.high <= 1
    assert found.high > found.low
    assert found.p is not None
    assert 0 < found.p <= 1
    assert found.mde is None or 0 < found.mde <= 1
    back = intervals.paired_difference(second, first, "tasks")
    assert (-back.value, -(back.high or 0), -(back.low or 0)) == pytest.approx(
        (found.value, found.low, found.high)
    )
    gain = intervals.relative_gain(first, second, "tasks")
    assert (gain is None) == all(rate == 1 for rate in first)
    if gain is not None:
        assert gain.low is None or gain.low <= gain.value
        assert gain.high is not None
        assert gain.value <= gain.high <= 1
    shuffled = list(pairs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    again = list(map(list, zip(*shuffled, strict=True)))
    assert intervals.paired_difference(again[0], again[1], "tasks") == found
    assert intervals.relative_gain(again[0], again[1], "tasks") == gain


def test_pairs_must_be_pairs() -> None:
    for function in (intervals.paired_difference, intervals.relative_gain):
        with pytest.raises(ValueError, match="no task"):
            function([], [], "tasks")
        with pytest.raises(ValueError, match="argument"):
            function([ONE], [], "tasks")


def test_relative_gain() -> None:
    found = intervals.relative_gain(*paired(30, 10, 60), "tasks")
    assert found is not None
    assert found.value == pytest.approx(20 / 30)
    # Of 30 tasks that failed before, 10 fail after. With the two imaginary tasks:
    before = [1.0] * 31 + [0.0] * 71
    after = [0.0] * 31 + [1.0] * 11 + [0.0] * 60
    low, high = fieller(before, after)
    assert (found.low, found.high) == pytest.approx((1 - high, 1 - low), abs=1e-3)


def fieller(before: list[float], after: list[float]) -> tuple[float, float]:
    """The ratios after / before that a z test of mean(after − ratio · before) = 0 accepts."""
    x, y = np.array(before), np.array(after)

    def accepted(ratio: float) -> bool:
        d = y - ratio * x
        return abs(d.mean()) <= intervals.Z * d.std() / sqrt(len(d))

    ratios = [r for r in np.linspace(0, 2, 4001) if accepted(float(r))]
    return float(ratios[0]), float(ratios[-1])


def test_relative_gain_knows_when_it_knows_nothing() -> None:
    assert intervals.relative_gain([ONE] * 9, [ZERO] * 9, "tasks") is None
    one_left = intervals.relative_gain([ONE] * 19 + [ZERO], [ONE] * 20, "tasks")
    assert one_left is not None
    assert (one_left.value, one_left.low, one_left.high) == (1, None, 1)


# pass^k.


@pytest.mark.parametrize(("inside", "outside"), [(0.8, 0.4), (0.9, 0.85), (0.3, 0.1)])
def test_independent_ratio_covers(inside: float, outside: float) -> None:
    rng = np.random.default_rng(5)
    n, samples, held = 40, 300, 0
    for _ in range(samples):
        won = rng.binomial(n, (inside, outside))
        first, second = (intervals.rate([1] * w + [0] * (n - w), [1] * n, "episodes") for w in won)
        found = intervals.independent_ratio(first, second)
        assert found is not None
        assert found.low is not None
        held += found.low <= outside / inside <= (found.high or float("inf"))
    assert held / samples >= 0.93


def test_pass_hat_k_is_the_share_of_draws() -> None:
    for repeats, k in ((1, 1), (4, 2), (5, 3), (5, 5)):
        for successes in range(repeats + 1):
            trial = [1] * successes + [0] * (repeats - successes)
            draws = [all(draw) for draw in combinations(trial, k)]
            found = intervals.pass_hat_k(successes, repeats, k)
            assert found == Fraction(sum(draws), comb(repeats, k))


@pytest.mark.parametrize(
    ("successes", "repeats", "k"), [(1, 2, 3), (3, 2, 1), (0, 1, 0), (-1, 2, 1)]
)
def test_pass_hat_k_out_of_range(successes: int, repeats: int, k: int) -> None:
    with pytest.raises(ValueError, match="not defined"):
        intervals.pass_hat_k(successes, repeats, k)


# Power.


@pytest.mark.parametrize(("n", "discordance"), [(10, 0.3), (20, 0.3), (50, 0.1), (134, 0.2)])
def test_paired_mde_has_80_percent_power(n: int, discordance: float) -> None:
    effect = intervals.paired_mde(n, discordance)
    assert effect is not None
    discordance = max(discordance, effect, intervals.wilson(0, n)[1])
    up, down = (discordance + effect) / 2, (discordance - effect) / 2
    rng = np.random.default_rng(0)
    simulations = 3000
    draws = rng.multinomial(n, [up, max(0.0, down), 1 - discordance], simulations)
    found = [intervals.sign_flip_p([ONE] * a + [-ONE] * b) <= intervals.ALPHA for a, b, _ in draws]
    assert np.mean(found) == pytest.approx(0.8, abs=3 * sqrt(0.8 * 0.2 / simulations))


def repeated_differences(effect: float, k: int, rng: np.random.Generator) -> list[Fraction]:
    p = rng.beta(0.5, 0.5, k) * (1 - effect)
    wins: NDArray[np.int64] = rng.binomial(3, p + effect) - rng.binomial(3, p)
    return [Fraction(int(x), 3) for x in wins]


@pytest.mark.parametrize("k", [20, 134])
def test_paired_mde_with_repeats_has_power(k: int) -> None:
    rng = np.random.default_rng(0)
    effects = []
    for _ in range(30):
        d = repeated_differences(0.1, k, rng)
        found = intervals.paired_difference([ZERO] * k, d, "tasks")
        assert found.mde is not None
        effects.append(found.mde)
    simulations = 300
    rejected = [
        intervals.sign_flip_p(repeated_differences(float(np.median(effects)), k, rng))
        <= intervals.ALPHA
        for _ in range(simulations)
    ]
    assert 0.72 <= np.mean(rejected) <= 0.9


def test_paired_mde_of_too_few_tasks() -> None:
    none = [intervals.paired_mde(n, 0.3) is None for n in (1, 4, 5, 6, 7)]
    assert none == [True] * 3 + [False] * 2
    assert intervals.paired_difference(*paired(2, 1, 2), "tasks").mde is None


def test_paired_mde_shrinks_with_tasks_and_grows_with_discordance() -> None:
    by_tasks = [intervals.paired_mde(n, 0.2) or 1 for n in (6, 10, 20, 50, 134, 500)]
    assert by_tasks == sorted(by_tasks, reverse=True)
    by_discordance = [intervals.paired_mde(134, share) or 1 for share in (0, 0.1, 0.3, 0.6, 1)]
    assert by_discordance == sorted(by_discordance)
    # Nothing discordant is no licence: six tasks must change before anything is detected.
    assert by_discordance[0] > 6 / 134


@pytest.mark.parametrize("n", [4, 10, 50, 134])
@pytest.mark.parametrize("value", [0.0, 0.2, 0.5, 1.0])
def test_rate_mde_has_80_percent_power(n: int, value: float) -> None:
    effect = intervals.rate_mde(value, n)
    assert effect is not None
    reference = (value * n + intervals.Z**2 / 2) / (n + intervals.Z**2)
    excludes = np.array(
        [
            not low <= reference <= high
            for low, high in (intervals.wilson(x / n, n) for x in range(n + 1))
        ]
    )
    power = [
        binom.pmf(np.arange(n + 1), n, p)[excludes].sum()
        for p in (reference + effect, reference - effect)
        if 0 <= p <= 1
    ]
    assert max(power) >= 0.8 - 1e-9
    assert min(power) == pytest.approx(0.8, abs=0.01)


def test_estimates_are_json_numbers() -> None:
    for found in (
        intervals.rate([1, 0], [3, 4], "states"),
        intervals.mean([1, 5, 2], [1, 2, 1], "episodes"),
        intervals.paired_difference(*paired(3, 1, 4), "tasks"),
        intervals.relative_gain(*paired(3, 1, 4), "tasks"),
    ):
        assert found is not None
        for name, value in asdict(found).items():
            assert value is None or type(value) in (int, float, str, dict), name


def ratio_coverage(n: int, m: int, first: float, second: float) -> float:
    """How often the interval of second / first holds it: exact, over all outcomes."""
    covered = 0.0
    for a, b in product(range(n + 1), range(m + 1)):
        chance = float(binom.pmf(a, n, first) * binom.pmf(b, m, second))
        if chance < 1e-7:
            continue
        found = intervals.independent_ratio(share_of(a, n), share_of(b, m))
        low = None if found is None else found.low
        high = None if found is None else found.high
        truth = second / first
        covered += chance * ((low is None or low <= truth) and (high is None or truth <= high))
    return covered


@cache
def share_of(won: int, n: int) -> intervals.Estimate:
    low, high = intervals.wilson(won / n, n)
    return intervals.Estimate(won / n, low, high, n, "episodes", "Wilson")


def test_a_ratio_of_rates_covers_the_truth() -> None:
    rates = (0.1, 0.35, 0.7, 0.95)
    for n, m in ((10, 10), (25, 25), (20, 50)):
        found = [ratio_coverage(n, m, a, b) for a, b in product(rates, rates)]
        assert min(found) >= 0.9295, (n, m)  # 93 %, to a tenth
        assert sum(found) / len(found) >= 0.945, (n, m)
    rare = [ratio_coverage(10, 10, a, b) for a, b in ((0.02, 0.02), (0.02, 0.95), (0.95, 0.02))]
    assert min(rare) >= 0.91
    assert min(ratio_coverage(4, 4, a, b) for a, b in product(rates, rates)) >= 0.89


def test_a_ratio_at_the_ends() -> None:
    assert intervals.independent_ratio(share_of(0, 8), share_of(4, 8)) is None
    none = intervals.independent_ratio(share_of(8, 8), share_of(0, 8))
    assert none is not None
    assert (none.value, none.low) == (0.0, 0.0)
    assert none.high is not None
    assert 0 < none.high < 1
    same = intervals.independent_ratio(share_of(20, 25), share_of(20, 25))
    assert same is not None
    assert (same.value, same.n, same.method) == (1.0, 50, "MOVER-R")
    assert same.low is not None
    assert same.high is not None
    assert same.low < 1 < same.high
    # Swapping the rates turns the interval over.
    one = intervals.independent_ratio(share_of(20, 25), share_of(5, 20))
    other = intervals.independent_ratio(share_of(5, 20), share_of(20, 25))
    assert one is not None
    assert other is not None
    assert one.low is not None
    assert one.high is not None
    assert (1 / one.high, 1 / one.low) == pytest.approx((other.low, other.high))
    open_ended = intervals.independent_ratio(
        intervals.Estimate(0.5, 0.0, 0.9, 2, "episodes", "any"), share_of(5, 20)
    )
    assert open_ended is not None
    assert open_ended.high is None

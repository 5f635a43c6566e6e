"""Ranks as ranges: by hand, by their properties, and whether they hold the truth."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotgap.benchmark.stats import intervals
from cotgap.leaderboards.ranking import Ranks, Weights, exchangeable, rank

ONE = Fraction(1)


def outcomes(wins: str) -> Weights:
    """`1` won, `0` lost, a task each."""
    return {f"task-{n}": (Fraction(int(won)), ONE) for n, won in enumerate(wins)}


def texts(contenders: list[Weights], *, higher: bool = True) -> list[str]:
    return [str(found) for found in rank(contenders, higher=higher)]


def test_no_evidence_is_one_shared_range() -> None:
    assert texts([outcomes("1100"), outcomes("1010"), outcomes("0000")]) == ["1–3"] * 3
    assert texts([outcomes("1")]) == ["1"]
    assert rank([], higher=True) == []


def test_clear_differences_are_places() -> None:
    best, middle, worst = outcomes("1" * 40), outcomes("10" * 20), outcomes("0" * 40)
    assert texts([middle, worst, best]) == ["2", "3", "1"]
    assert texts([middle, worst, best], higher=False) == ["2", "1", "3"]


def test_overlap_is_a_shared_range() -> None:
    """A is better than C; B cannot be told from either."""
    a, b, c = (outcomes("1" * won + "0" * (20 - won)) for won in (15, 11, 7))
    assert texts([a, b, c]) == ["1–2", "1–3", "2–3"]
    assert texts([a, a, outcomes("0" * 20)]) == ["1–2", "1–2", "3"]


def test_holm_over_all_pairs() -> None:
    """What one pair alone would show, it does not beside two others (p = 1/32, and Holm's 3)."""
    a, b = outcomes("111111" + "0" * 14), outcomes("0" * 20)
    assert intervals.sign_flip_p(exchangeable(a, b)) == pytest.approx(1 / 32)
    assert texts([a, b]) == ["1", "2"]
    assert texts([a, b, outcomes("110000" + "0" * 14)]) == ["1–3"] * 3


def test_one_trial_per_task_is_mcnemar() -> None:
    a, b = outcomes("1110011010"), outcomes("0010010011")
    differences = [a[task][0] - b[task][0] for task in a]
    assert intervals.sign_flip_p(exchangeable(a, b)) == intervals.sign_flip_p(differences)


def test_shares_of_steps_weigh_by_steps() -> None:
    """An agent of 1 in 10 on long tasks and 1 of 1 on short ones is at 2 of 11, not at 55 %."""
    mixed = {"a": (Fraction(1), Fraction(10)), "b": (Fraction(1), ONE)}
    third = {"a": (Fraction(4), Fraction(10)), "b": (Fraction(0), ONE)}
    assert sum(exchangeable(third, mixed)) > 0


def test_other_tasks_are_refused() -> None:
    with pytest.raises(ValueError, match="same tasks"):
        rank([outcomes("10"), outcomes("101")], higher=True)


WEIGHTS = st.lists(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=8, max_size=8),
    min_size=1,
    max_size=4,
)


@given(WEIGHTS, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_any_ranks(drawn: list[list[tuple[int, int]]], random: object) -> None:
    contenders = [
        {f"t{n}": (Fraction(min(a, b)), Fraction(b)) for n, (a, b) in enumerate(one)}
        for one in drawn
    ]
    found = rank(contenders, higher=True)
    n = len(contenders)
    assert all(1 <= r.best <= r.worst <= n for r in found)
    for place in range(1, n + 1):
        assert any(r.best <= place <= r.worst for r in found)
    order = list(range(n))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert rank([contenders[i] for i in order], higher=True) == [found[i] for i in order]
    mirrored = [Ranks(n + 1 - r.worst, n + 1 - r.best) for r in found]
    assert rank(contenders, higher=False) == mirrored


@pytest.mark.parametrize(
    "rates",
    [(0.5, 0.5, 0.5, 0.5), (0.9, 0.7, 0.7, 0.3), (0.8, 0.6, 0.4, 0.2), (0.97, 0.95, 0.5, 0.02)],
    ids=str,
)
def test_ranges_hold_the_true_order(rates: tuple[float, ...]) -> None:
    """All ranges at once, in 95 % of tables or more; tasks differ in how hard they are."""
    rng = np.random.default_rng(7)
    tables, tasks, held, narrow = 300, 40, 0, 0
    for _ in range(tables):
        ease = rng.normal(0, 1, tasks)
        contenders = []
        for rate in rates:
            chance = 1 / (1 + np.exp(-(np.log(rate / (1 - rate)) + ease)))
            contenders.append(outcomes("".join("01"[int(x)] for x in rng.random(tasks) < chance)))
        found = rank(contenders, higher=True)
        held += all(
            r.best <= 1 + sum(other > rate for other in rates)
            and r.worst >= len(rates) - sum(other < rate for other in rates)
            for r, rate in zip(found, rates, strict=True)
        )
        narrow += found[0].worst < len(rates)
    # Two standard errors below 95 % of 300.
    assert held / tables >= 0.95 - 2 * (0.95 * 0.05 / tables) ** 0.5
    if rates[0] > rates[-1] + 0.5:
        assert narrow / tables > 0.9, "ranges that exclude nothing would hold anything"


def test_ranges_of_repeats_and_steps_hold_the_true_order() -> None:
    """Shares of unequal numbers of dependent steps: no differences, so none may be found."""
    rng = np.random.default_rng(3)
    tables, false = 150, 0
    for _ in range(tables):
        contenders = []
        for _ in range(3):
            totals = rng.integers(1, 20, 25)
            sums = rng.binomial(totals, rng.beta(1, 1, 25))
            contenders.append(
                {
                    f"t{n}": (Fraction(int(s)), Fraction(int(t)))
                    for n, (s, t) in enumerate(zip(sums, totals, strict=True))
                }
            )
        false += any(r != Ranks(1, 3) for r in rank(contenders, higher=True))
    assert false / tables <= 0.05 + 2 * (0.05 * 0.95 / tables) ** 0.5


def test_ranges_are_words() -> None:
    assert [str(Ranks(a, b)) for a, b in pairwise((1, 1, 3))] == ["1", "1–3"]

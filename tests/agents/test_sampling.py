"""Tokens are drawn from the right distribution, each row by itself."""

from __future__ import annotations

import random

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from agents.backends._sampling import choose
from agents.core import Sampling

LOGITS = torch.tensor([[0.0, 2.0, -1.0, 1.0, float("-inf"), 0.5]])


def frequencies(sampling: Sampling, draws: int = 20_000) -> np.ndarray:
    dice = random.Random(1)
    points = [dice.random() for _ in range(draws)]
    tokens = choose(LOGITS.expand(draws, -1), [sampling] * draws, points)
    return np.bincount(tokens, minlength=LOGITS.shape[1])


def test_temperature_zero_is_greedy_whatever_the_draw() -> None:
    tied = torch.tensor([[1.0, 3.0, 3.0], [5.0, 0.0, 5.0]])
    assert choose(tied, [Sampling()] * 2, [0.999, 0.5]) == [1, 0]


def test_sampling_follows_the_softmax() -> None:
    for temperature in (0.5, 1.0, 2.0):
        counts = frequencies(Sampling(temperature))
        expected = torch.softmax(LOGITS[0].double() / temperature, -1).numpy()
        assert counts[4] == 0
        seen, wanted = np.delete(counts, 4), np.delete(expected, 4)
        assert chisquare(seen, wanted * seen.sum()).pvalue > 1e-4


def test_top_p_keeps_the_fewest_tokens_that_reach_it() -> None:
    # Probabilities, sorted: 0.564 (1), 0.208 (3), 0.126 (5), 0.076 (0), 0.028 (2).
    for top_p, kept in [(0.5, {1}), (0.6, {1, 3}), (0.8, {1, 3, 5}), (0.95, {0, 1, 3, 5})]:
        counts = frequencies(Sampling(1.0, top_p), 4000)
        assert set(np.flatnonzero(counts)) == kept
        chosen = sorted(kept)
        expected = torch.softmax(LOGITS[0].double(), -1).numpy()[chosen]
        if len(kept) > 1:
            assert chisquare(counts[chosen], expected / expected.sum() * 4000).pvalue > 1e-4


@given(
    rows=st.lists(
        st.tuples(
            st.lists(st.floats(-30, 30, width=32), min_size=5, max_size=5),
            st.sampled_from([0.0, 0.7, 1.0, 9.0]),
            st.sampled_from([0.1, 0.9, 1.0]),
            st.floats(0, 1, exclude_max=True),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_a_row_does_not_depend_on_the_others(
    rows: list[tuple[list[float], float, float, float]],
) -> None:
    logits = torch.tensor([row[0] for row in rows])
    samplings = [Sampling(temperature, top_p) for _, temperature, top_p, _ in rows]
    draws = [row[3] for row in rows]
    together = choose(logits, samplings, draws)
    alone = [
        choose(logits[i : i + 1], samplings[i : i + 1], draws[i : i + 1])[0]
        for i in range(len(rows))
    ]
    assert together == alone


def test_a_draw_next_to_one_stays_in_the_vocabulary() -> None:
    logits = torch.full((1, 7), -3.3)
    last = float(np.nextafter(1.0, 0.0))
    assert choose(logits, [Sampling(1.0)], [last]) == [6]
    logits[0, 4:] = float("-inf")
    assert choose(logits, [Sampling(1.0)], [last]) == [3]

"""Tokens are drawn from the right distribution, each row by itself, whatever the last bits are."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from cotgap.agents.core import Sampling
from cotgap.agents.decoding.sampling import choose, make_dice

CPU = torch.device("cpu")
LOGITS = torch.tensor([[0.0, 2.0, -1.0, 1.0, float("-inf"), 0.5]])


def frequencies(sampling: Sampling, draws: int) -> Any:
    dice = [make_dice(sampling, 1, CPU)] * draws
    tokens = choose(LOGITS.expand(draws, -1), [sampling] * draws, dice)
    return np.bincount(tokens, minlength=LOGITS.shape[1])


def test_temperature_zero_is_greedy() -> None:
    tied = torch.tensor([[1.0, 3.0, 3.0], [5.0, 0.0, 5.0]])
    assert make_dice(Sampling(), 7, CPU) is None
    assert choose(tied, [Sampling()] * 2, [None, None]) == [1, 0]


def test_sampling_follows_the_softmax() -> None:
    for temperature in (0.5, 1.0, 2.0):
        counts = frequencies(Sampling(temperature), 8000)
        expected = torch.softmax(LOGITS[0].double() / temperature, -1).numpy()
        assert counts[4] == 0
        seen, wanted = np.delete(counts, 4), np.delete(expected, 4)
        assert chisquare(seen, wanted * seen.sum()).pvalue > 1e-4


def test_top_p_keeps_the_fewest_tokens_that_reach_it() -> None:
    # Probabilities, sorted: 0.563 (1), 0.207 (3), 0.126 (5), 0.076 (0), 0.028 (2).
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
            st.integers(-(2**70), 2**70),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_a_row_does_not_depend_on_the_others(
    rows: list[tuple[list[float], float, float, int]],
) -> None:
    def tokens(some: list[tuple[list[float], float, float, int]]) -> list[int]:
        samplings = [Sampling(temperature, top_p) for _, temperature, top_p, _ in some]
        seeds = [row[3] for row in some]
        dice = [make_dice(*pair, CPU) for pair in zip(samplings, seeds, strict=True)]
        return choose(torch.tensor([row[0] for row in some]), samplings, dice)

    assert tokens(rows) == [tokens([row])[0] for row in rows]
    assert tokens(rows[::-1]) == tokens(rows)[::-1]


def test_rounding_hardly_ever_changes_a_draw() -> None:
    """Real vocabularies have many unlikely tokens; errors of batching must not add up over them.

    The tilt moves the cumulative distribution by about 1.5e-6, as much as was measured between
    batch sizes of a real model.
    """
    numbers = torch.Generator().manual_seed(0)
    tilt = torch.linspace(-6e-6, 6e-6, 50_000, dtype=torch.float64)
    changed = 0
    for seed in range(400):
        logits = 2 * torch.randn(1, 50_000, generator=numbers, dtype=torch.float64)
        one, other = (
            choose(some, [Sampling(1.0)], [make_dice(Sampling(1.0), seed, CPU)])
            for some in (logits, logits + tilt)
        )
        changed += one != other
    assert changed == 0

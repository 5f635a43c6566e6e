"""Choosing tokens, each row by its own sampling parameters and random numbers."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from agents.core import Sampling


def choose(
    logits: torch.Tensor, samplings: Sequence[Sampling], draws: Sequence[float]
) -> list[int]:
    """One token id per row of `logits` (rows, vocabulary).

    Temperature 0 takes the likeliest token (the first of equals). Otherwise row i takes the token
    in whose interval of the cumulative distribution, in vocabulary order, `draws[i]` (in [0, 1))
    falls: a row's token depends on its own logits and draw, not on the rest of the batch. `top_p`
    keeps the fewest likeliest tokens whose probabilities reach it.
    """
    chosen: list[int] = logits.argmax(dim=-1).tolist()
    hot = [row for row, sampling in enumerate(samplings) if sampling.temperature > 0]
    if not hot:
        return chosen
    wide = logits[hot].double()
    temperature = torch.tensor([[samplings[row].temperature] for row in hot]).to(wide)
    probabilities = torch.softmax(wide / temperature, dim=-1)
    if any(samplings[row].top_p < 1 for row in hot):
        top_p = torch.tensor([[samplings[row].top_p] for row in hot]).to(wide)
        probabilities = _nucleus(probabilities, top_p)
    cumulative = probabilities.cumsum(dim=-1)
    total = cumulative[:, -1:].contiguous()
    points = torch.tensor([[draws[row]] for row in hot]).to(wide) * total
    # The first token whose interval ends beyond the point; rounding must not run off the end.
    found = torch.searchsorted(cumulative, points, right=True)
    found = torch.minimum(found, torch.searchsorted(cumulative, total))
    for row, token in zip(hot, found.flatten().tolist(), strict=True):
        chosen[row] = token
    return chosen


def _nucleus(probabilities: torch.Tensor, top_p: torch.Tensor) -> torch.Tensor:
    """Probabilities outside the nucleus set to 0."""
    ordered, order = probabilities.sort(dim=-1, descending=True, stable=True)
    outside = ordered.cumsum(dim=-1) - ordered >= top_p
    return ordered.masked_fill(outside, 0.0).gather(-1, order.argsort(dim=-1))

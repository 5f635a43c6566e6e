"""Choosing tokens, each row by its own sampling parameters and random numbers."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from cotgap.agents.core import Sampling


def make_dice(sampling: Sampling, seed: int, device: torch.device) -> torch.Generator | None:
    """The random numbers of one reply, on the device that uses them; None for greedy decoding."""
    if sampling.temperature == 0:
        return None
    return torch.Generator(device).manual_seed(seed % 2**63)


def choose(
    logits: torch.Tensor,
    samplings: Sequence[Sampling],
    dice: Sequence[torch.Generator | None],
) -> list[int]:
    """One token id per row of `logits` (rows, vocabulary).

    A row without dice takes its likeliest token (the first of equals). Any other takes the
    largest of logit / temperature plus Gumbel noise, which is a draw from the softmax; `top_p`
    keeps the fewest likeliest tokens whose probabilities reach it.

    A row's token depends on its own logits and dice only. Logits differ in the last bits between
    batch sizes, and this way of drawing compares them in pairs: a draw from the cumulative
    distribution would add the differences up over the vocabulary and change about a thousand
    times more tokens.
    """
    chosen: list[int] = logits.argmax(dim=-1).tolist()
    for row, (sampling, generator) in enumerate(zip(samplings, dice, strict=True)):
        if generator is not None:
            chosen[row] = _draw(logits[row], sampling, generator)
    return chosen


def _draw(logits: torch.Tensor, sampling: Sampling, generator: torch.Generator) -> int:
    scores = logits.double() / sampling.temperature
    if sampling.top_p < 1:
        scores = scores.masked_fill(_outside_nucleus(scores, sampling.top_p), float("-inf"))
    noise = torch.empty_like(scores).exponential_(generator=generator).log_().neg_()
    return int((scores + noise).argmax())


def _outside_nucleus(scores: torch.Tensor, top_p: float) -> torch.Tensor:
    """Which tokens come after those that already reach `top_p`."""
    ordered, order = torch.softmax(scores, dim=-1).sort(descending=True, stable=True)
    outside = ordered.cumsum(dim=-1) - ordered >= top_p
    return torch.empty_like(outside).scatter_(0, order, outside)

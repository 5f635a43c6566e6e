"""Attention that reads from each row about as much as the row holds.

A batched kernel reads every row up to the longest one, masked or not. On a CPU that is most of the
work of decoding, so rows of like lengths go to the kernel together, and others on their own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers import AttentionInterface

NAME = "cotgap_rows"
# Slots read in vain (rows × slots) that take as long as another call of the kernel.
WASTE = 512

Spans = list[tuple[int, int, int]]
"""(first row, row after the last, slots to read) of each call."""


def spans(lengths: Sequence[int]) -> Spans:
    """Consecutive rows whose lengths are so much alike that one call serves them all."""
    found: Spans = []
    for row, length in enumerate(lengths):
        if found:
            first, end, extent = found[-1]
            longest = max(extent, length)
            if (longest - extent) * (end - first) + longest - length <= WASTE:
                found[-1] = (first, end + 1, longest)
                continue
        found.append((row, row + 1, length))
    return found


@contextlib.contextmanager
def by_rows(model: Any) -> Iterator[None]:
    """Within it, a model on a CPU that attends by torch's kernel heeds `spans` of its masks."""
    config = model.config.get_text_config(decoder=True)
    before = config._attn_implementation
    if before == "sdpa" and model.device.type == "cpu":
        config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = before


def _attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """What transformers calls with (rows, heads, tokens, dim) each."""
    kernel = AttentionInterface()["sdpa"]
    parts: Spans | None = getattr(attention_mask, "spans", None)
    if attention_mask is None or parts is None or len(parts) == 1:
        return kernel(module, query, key, value, attention_mask, **options)[0], None
    outputs = [
        kernel(
            module,
            query[first:end],
            key[first:end, :, :extent],
            value[first:end, :, :extent],
            attention_mask[first:end, ..., :extent],
            **options,
        )[0]
        for first, end, extent in parts
    ]
    return torch.cat(outputs), None


AttentionInterface.register(NAME, _attend)

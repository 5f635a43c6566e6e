"""Attention that reads from each row about as much as the row holds, and a common beginning once.

A batched kernel reads every row up to the longest one, masked or not. On a CPU that is most of the
work of decoding, so rows of like lengths go to the kernel together, and others on their own. What
all rows begin with (the system message) is read from one of them for all queries, and the two
parts' results are merged by their log-sum-exps, as in FlashAttention (arXiv:2205.14135).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AttentionInterface

NAME = "cotgap_rows"
# Slots read in vain (rows × slots) that take as long as another call of the kernel.
WASTE = 128
# The kernel behind torch's own attention on a CPU. Called by its name, it also returns the
# log-sum-exps, which the public function drops; without it, nothing is read in common.
KERNEL = getattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu", None)
# What some models ask of a kernel and this one does not do.
UNCOMMON = ("softcap", "position_bias", "s_aux")

Spans = list[tuple[int, int, int]]
"""(first row, row after the last, slots to read up to) of each call."""


@dataclass(frozen=True)
class Reading:
    """How a pass reads its rows: the slots that all have in common, then each span's own."""

    common: int
    spans: Spans


def plan(lengths: Sequence[int], common: int = 0, least: int | None = None) -> Reading:
    """How to read rows of these lengths that begin with the same `common` tokens.

    They are read together where that spares `least` slots (None: as many as take the time that the
    further calls do).
    """
    least = 4 * WASTE if least is None else least
    if KERNEL is None or (len(lengths) - 1) * common < least:
        common = 0
    return Reading(common, spans(lengths))


def spans(lengths: Sequence[int]) -> Spans:
    """Consecutive rows that one call serves: neighbours share a call where that takes less time.

    Takes time in proportion to the rows, and finds spans that take at most a few percent longer
    than the best ones.
    """
    found: Spans = []
    for row, length in enumerate(lengths):
        found.append((row, row + 1, length))
        while len(found) > 1:
            (first, middle, one), (_, end, other) = found[-2:]
            longest = max(one, other)
            if (longest - one) * (middle - first) + (longest - other) * (end - middle) > WASTE:
                break
            found[-2:] = [(first, end, longest)]
    return found


@contextlib.contextmanager
def by_rows(model: Any) -> Iterator[None]:
    """Within it, a model on a CPU that attends by torch's kernel heeds its masks' `reading`."""
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
    """What transformers calls with (rows, heads, tokens, dim) each; gives (rows, tokens, ...)."""
    kernel = AttentionInterface()["sdpa"]
    reading: Reading | None = getattr(attention_mask, "reading", None)
    if attention_mask is None or reading is None or not (reading.common or reading.spans[1:]):
        return kernel(module, query, key, value, attention_mask, **options)[0], None
    alike = key.shape[-1] == value.shape[-1]  # the kernel knows one size of both
    if reading.common and alike and all(options.get(name) is None for name in UNCOMMON):
        scale = options.get("scaling")
        return _attend_in_parts(query, key, value, attention_mask, reading, scale), None
    outputs = [
        kernel(
            module,
            query[first:end],
            key[first:end, :, :extent],
            value[first:end, :, :extent],
            attention_mask[first:end, ..., :extent],
            **options,
        )[0]
        for first, end, extent in reading.spans
    ]
    return torch.cat(outputs), None


def _attend_in_parts(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor,
    reading: Reading,
    scale: float | None,
) -> torch.Tensor:
    """The common slots for all queries at once, each row's own slots, and both merged."""
    assert KERNEL is not None
    rows, heads, width, dim = query.shape
    # Query heads that share a key's head become more queries of that head.
    grouped = query.reshape(rows, key.shape[1], -1, dim)
    per_head = grouped.shape[2]
    together = grouped.transpose(0, 1).reshape(1, key.shape[1], rows * per_head, dim)
    if per_head > width:
        mask = mask.repeat(1, 1, per_head // width, 1)
    common = slice(reading.common)
    found, sums = KERNEL(together, key[:1, :, common], value[:1, :, common], scale=scale)
    first_part = found.view(-1, rows, per_head, value.shape[3]).transpose(0, 1)
    first_sums = sums.view(-1, rows, per_head).transpose(0, 1)
    own = [
        KERNEL(
            grouped[first:end],
            key[first:end, :, reading.common : extent],
            value[first:end, :, reading.common : extent],
            attn_mask=mask[first:end, ..., reading.common : extent],
            scale=scale,
        )
        for first, end, extent in reading.spans
    ]
    second_part = torch.cat([part for part, _ in own])
    share = torch.sigmoid(first_sums - torch.cat([sums for _, sums in own]))
    merged = torch.lerp(second_part, first_part, share[..., None].to(query.dtype))
    return merged.reshape(rows, heads, width, -1).transpose(1, 2).contiguous()


AttentionInterface.register(NAME, _attend)

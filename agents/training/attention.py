"""Attention for training on a CPU: block by block of queries, over earlier keys only.

torch's kernel, given a mask, computes what the mask hides as well, which is more than half of a
tree. Plain products over blocks that stop at the diagonal took half of its time for forward and
backward passes (bfloat16, one thread, 600 to 1,300 tokens).
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import AttentionInterface

NAME = "cotgap_blocks"
ROWS = 256  # queries a block; 128 and 384 took 0 to 20 % longer


def use_blocks(model: Any) -> None:
    """Have a model on a CPU, adapted or not, attend by blocks; its masks must be causal trees."""
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    config = causal.config.get_text_config(decoder=True)
    if config._attn_implementation == "sdpa" and causal.device.type == "cpu":
        config._attn_implementation = NAME


def _attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor,
    scaling: float,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """What transformers calls with (rows, heads, tokens, dim) each and an additive mask."""
    groups = query.shape[1] // key.shape[1]
    key, value = (x.repeat_interleave(groups, dim=1) for x in (key, value))
    query, mask = query * scaling, attention_mask.to(query.dtype)
    size = query.shape[2]
    blocks = []
    for start in range(0, size, ROWS):
        end = min(start + ROWS, size)
        scores = query[:, :, start:end] @ key[:, :, :end].transpose(-1, -2)
        weights = (scores + mask[:, :, start:end, :end]).softmax(-1, dtype=query.dtype)
        blocks.append(weights @ value[:, :, :end])
    return torch.cat(blocks, 2).transpose(1, 2), None


AttentionInterface.register(NAME, _attend)

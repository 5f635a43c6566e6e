"""Trees as tensors: padded, with their masks, and only the positions that have a loss listed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from cotgap.agents.training.masking import IGNORE_INDEX
from cotgap.agents.training.sequences import Tree

MULTIPLE = 8  # widths are multiples of it, which kernels like


def collate(trees: Sequence[Tree]) -> dict[str, torch.Tensor]:
    """B trees as tensors of width T.

    `input_ids` and `position_ids` are (B, T); `attention_mask` (B, 1, T, T) is True where a row
    sees a column (padding sees itself). `sources` and `labels` are (M,): for each token with a
    loss, the flat index (row · T + column) of the token that predicts it, and its id.
    """
    width = -(-max(map(len, trees)) // MULTIPLE) * MULTIPLE
    ids = np.zeros((len(trees), width), dtype=np.int64)
    positions = np.zeros_like(ids)
    visible = np.zeros((len(trees), 1, width, width), dtype=bool)
    visible[:, :, range(width), range(width)] = True
    sources, labels = [], []
    for row, tree in enumerate(trees):
        size = len(tree)
        ids[row, :size], positions[row, :size] = tree.ids, tree.positions
        visible[row, 0, :size, :size] = tree.visible()
        learned = np.flatnonzero((tree.labels != IGNORE_INDEX) & (tree.before >= 0))
        sources.append(row * width + tree.before[learned])
        labels.append(tree.labels[learned])
    return {
        "input_ids": torch.from_numpy(ids),
        "position_ids": torch.from_numpy(positions),
        "attention_mask": torch.from_numpy(visible),
        "sources": torch.from_numpy(np.concatenate(sources)),
        "labels": torch.from_numpy(np.concatenate(labels)),
    }


def logits_at(model: Any, batch: dict[str, torch.Tensor], sources: torch.Tensor) -> torch.Tensor:
    """The model's logits (M, vocabulary) at flat positions of a batch.

    The vocabulary is multiplied at these positions only, which is where most memory would go.
    """
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    decoder = causal.base_model  # the language model without its head
    dtype = next(decoder.parameters()).dtype
    mask = torch.zeros(batch["attention_mask"].shape, dtype=dtype, device=sources.device)
    mask.masked_fill_(~batch["attention_mask"], torch.finfo(dtype).min)
    hidden = decoder(
        input_ids=batch["input_ids"],
        position_ids=batch["position_ids"],
        attention_mask=mask,
        use_cache=False,
    ).last_hidden_state
    logits: torch.Tensor = causal.get_output_embeddings()(hidden.flatten(0, 1)[sources])
    return logits

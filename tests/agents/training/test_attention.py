"""Attention by blocks is torch's attention: the same logits and the same gradients."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from cotgap.agents.decoding.backend import TransformersBackend
from cotgap.agents.training import attention
from cotgap.agents.training.attention import use_blocks
from cotgap.agents.training.batching import collate, logits_at
from cotgap.agents.training.data import Episode
from cotgap.agents.training.sequences import Objective, encode


@pytest.mark.parametrize("rows", [7, 64, 10_000])
def test_logits_and_gradients(
    tiny: TransformersBackend, episodes: list[Episode], rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "ROWS", rows)
    objective = Objective({"both": 1.0}, observations=True)
    trees = [tree for one in episodes[:3] for tree in encode(one, tiny.renderer, objective)]
    batch = collate(trees)
    found = []
    for blocks in (False, True):
        model = copy.deepcopy(tiny.model)
        if blocks:
            use_blocks(model)
            assert model.config._attn_implementation == attention.NAME
        found.append(step(model, batch))
    (logits, gradients), (others, other_gradients) = found
    torch.testing.assert_close(others, logits, rtol=1e-3, atol=1e-4)
    for name, gradient in gradients.items():
        torch.testing.assert_close(other_gradients[name], gradient, rtol=1e-3, atol=1e-5)


def step(
    model: Any, batch: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    logits = logits_at(model, batch, batch["sources"])
    cross_entropy(logits, batch["labels"]).backward()
    return logits, {name: one.grad for name, one in model.named_parameters()}

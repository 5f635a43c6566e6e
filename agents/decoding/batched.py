"""Decoding by left-padded batches, for models whose state the slot cache cannot hold.

Every prompt is read from its beginning, and a batch lasts as long as its longest reply.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import torch

from cotgap.agents.decoding.replies import Reply, Rules, share_time


class BatchedDecoder:
    """Decodes `batch_size` replies at a time with the model's own cache.

    `model` returns the model, of any architecture that `generate` can run in left-padded batches.
    """

    kind = "batches"

    def __init__(self, model: Callable[[], Any], rules: Rules, batch_size: int) -> None:
        self._model, self._rules, self._batch_size = model, rules, batch_size
        self._waiting: list[Reply] = []

    def submit(self, reply: Reply) -> None:
        """See `Decoder`."""
        self._waiting.append(reply)

    def forget(self) -> None:
        """See `Decoder`."""
        self._waiting.clear()

    def advance(self) -> list[Reply]:
        """Decode one batch to its end: prompts of like lengths, so that little is padded."""
        self._waiting.sort(key=lambda reply: (len(reply.start), reply.start))
        batch = self._waiting[: self._batch_size]
        if batch:
            self._decode(batch)
        del self._waiting[: len(batch)]
        return batch

    @torch.inference_mode()
    def _decode(self, batch: Sequence[Reply]) -> None:
        """Decode replies to their ends; one that has ended leaves the batch."""
        rows, begun = list(batch), perf_counter()
        cache, mask, logits = self._read([reply.start for reply in rows])
        while True:
            self._rules.write(rows, logits)
            now = perf_counter()
            share_time(rows, now - begun)
            begun = now
            going = [index for index, reply in enumerate(rows) if not reply.ended]
            if not going:
                return
            if len(going) < len(rows):
                rows = [rows[index] for index in going]
                kept = torch.tensor(going, device=mask.device)
                cache.reorder_cache(kept)
                mask = mask[kept]
            cache, mask, logits = self._read([reply.ids[-1:] for reply in rows], cache, mask)

    def _read(
        self,
        ids: Sequence[Sequence[int]],
        cache: Any = None,
        mask: torch.Tensor | None = None,
    ) -> tuple[Any, torch.Tensor, torch.Tensor]:
        """Continue each row of a cache by tokens, padded on the left.

        `mask` (rows, tokens so far) is 1 where a token counts; positions are counted from it.
        Returns the new (cache, mask, logits of the next token in float32).
        """
        model, width = self._model(), max(map(len, ids))
        padded = torch.tensor([[0] * (width - len(row)) + list(row) for row in ids])
        fresh = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in ids])
        padded, fresh = padded.to(model.device), fresh.to(model.device)
        mask = fresh if mask is None else torch.cat([mask, fresh], dim=1)
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -width:]
        out = model(
            input_ids=padded,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return out.past_key_values, mask, out.logits[:, -1].float()

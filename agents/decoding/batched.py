"""Decoding by transformers' own `generate`, for models whose state the slot cache cannot hold.

Every prompt is read from its beginning, and a batch lasts as long as its longest reply. A batch of
one row is what `generate` answers by definition, whatever the architecture.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any

import torch
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
)

from cotgap.agents.decoding.replies import Reply, Rules, share_time

Write = Callable[[torch.Tensor], Sequence[int | None]]
"""Takes logits (rows, vocabulary) in float32; gives each row's next token, None where it ended."""


class BatchedDecoder:
    """Decodes `batch_size` replies at a time.

    `model` returns the model, of any architecture that `generate` can run.
    """

    def __init__(self, model: Callable[[], Any], rules: Rules, batch_size: int) -> None:
        self._model, self._rules, self._batch_size = model, rules, batch_size
        self.kind = "batches" if batch_size > 1 else "single rows"
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

    def _decode(self, batch: Sequence[Reply]) -> None:
        begun = perf_counter()

        def write(logits: torch.Tensor) -> list[int | None]:
            nonlocal begun
            going = [index for index, reply in enumerate(batch) if not reply.ended]
            rows = [batch[index] for index in going]
            if rows:
                self._rules.write(rows, logits[torch.tensor(going, device=logits.device)])
                now = perf_counter()
                share_time(rows, now - begun)
                begun = now
            return [None if reply.ended else reply.ids[-1] for reply in batch]

        limit = max(reply.limit for reply in batch)
        generate(self._model(), [reply.start for reply in batch], limit, write)


def generate(model: Any, starts: Sequence[Sequence[int]], limit: int, write: Write) -> None:
    """Let a model continue token sequences, padded on the left, until `write` has ended them all.

    At most `limit` tokens are written. Nothing of the model's own generation settings is used.
    """
    writer, width = _Writer(write), max(map(len, starts))
    ids = torch.tensor([[0] * (width - len(row)) + list(row) for row in starts])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in starts])
    with _own_settings(model), torch.inference_mode():
        model.generate(
            ids.to(model.device),
            attention_mask=mask.to(model.device),
            generation_config=GenerationConfig(
                do_sample=False, use_cache=True, pad_token_id=0, max_new_tokens=limit
            ),
            logits_processor=LogitsProcessorList([writer]),
            stopping_criteria=StoppingCriteriaList([_Ended(writer)]),
        )


class _Writer(LogitsProcessor):  # type: ignore[misc]
    """Leaves no choice but the token that `write` gives."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self.ended: list[bool] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        tokens = self._write(scores.float())
        self.ended = [token is None for token in tokens]
        chosen = torch.tensor([[token or 0] for token in tokens], device=scores.device)
        return torch.full_like(scores, float("-inf")).scatter_(1, chosen, 0.0)


class _Ended(StoppingCriteria):  # type: ignore[misc]
    def __init__(self, writer: _Writer) -> None:
        self._writer = writer

    def __call__(self, input_ids: torch.Tensor, scores: Any, **options: Any) -> torch.Tensor:
        return torch.tensor(self._writer.ended, device=input_ids.device)


@contextlib.contextmanager
def _own_settings(model: Any) -> Iterator[None]:
    """Without the settings that came with a checkpoint: penalties, forced or suppressed tokens."""
    before = model.generation_config
    model.generation_config = GenerationConfig()
    try:
        yield
    finally:
        model.generation_config = before

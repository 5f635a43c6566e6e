"""Local models by transformers: a checkpoint folder or a GGUF file, batched, on CPU or CUDA."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from agents.backends._loading import load, resolve_device, resolve_dtype
from agents.backends._sampling import choose, make_dice
from agents.backends._text import cut_at_stop
from agents.core import BackendError, Completion, FinishReason, Request, Usage
from agents.rendering import Renderer
from envs.core import CoTGapError

BATCH_SIZE = {"cpu": 8, "cuda": 32}


@dataclass
class _Row:
    """A request being decoded. `limit` is how many tokens it may write."""

    request: Request
    limit: int
    dice: torch.Generator | None
    ids: list[int] = field(default_factory=list)
    seconds: float = 0.0
    reason: FinishReason | None = None


class TransformersBackend:
    """A causal language model and its tokenizer (of transformers), as they were loaded.

    Decoding is deterministic for a given batch. A row's tokens do not depend on the other rows
    but for rounding: a model's kernels may add in another order at another batch size.
    """

    name = "transformers"
    renderer: Renderer

    def __init__(
        self, model: Any, tokenizer: Any, fingerprint: str, batch_size: int | None = None
    ) -> None:
        self.model = model
        self.fingerprint = fingerprint
        self.batch_size = batch_size or BATCH_SIZE[model.device.type]
        self.renderer = Renderer(tokenizer, context_length(model, tokenizer))
        self._ends = _end_tokens(model, tokenizer, self.renderer)

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        dtype: str | None = None,
        device: str | None = None,
        batch_size: int | None = None,
    ) -> TransformersBackend:
        """Load a checkpoint folder or GGUF file.

        `dtype` is float32 or bfloat16 (by default float32 on the CPU, bfloat16 on CUDA), `device`
        auto, cpu, cuda or cuda:N. Raises `CoTGapError` for anything missing or wrong.
        """
        place = resolve_device(device)
        return cls(*load(path, dtype=resolve_dtype(dtype, place), device=place), batch_size)

    def describe(self) -> dict[str, Any]:
        """Where and in which precision it runs, and the model's size."""
        return {
            "device": self.model.device.type,
            "dtype": str(self.model.dtype).removeprefix("torch."),
            "architecture": type(self.model).__name__,
            "parameters": self.model.num_parameters(),
            "context": self.renderer.context,
        }

    def close(self) -> None:
        """Drop the model; the backend cannot be used any more."""
        del self.model
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer all requests, `batch_size` at a time, those with equal prompts side by side.

        Raises `BackendError` if the model fails, as when memory runs out.
        """
        rows = [self._row(request) for request in requests]
        # By length, so that little is padded.
        waiting = sorted(
            (row for row in rows if row.limit > 0),
            key=lambda row: (len(row.request.token_ids or ()), row.request.token_ids),
        )
        try:
            for start in range(0, len(waiting), self.batch_size):
                self._decode(waiting[start : start + self.batch_size])
        except torch.OutOfMemoryError as error:
            raise BackendError(
                f"out of memory with {self.batch_size} requests at a time; "
                "give a smaller --batch-size"
            ) from error
        except RuntimeError as error:
            raise BackendError(f"the model failed: {error}") from error
        return [self._completion(row) for row in rows]

    def _row(self, request: Request) -> _Row:
        if request.token_ids is None:
            raise BackendError("the request was not rendered: make it with this backend's dialogue")
        used = len(request.token_ids) + len(request.prefill_ids)
        limit = min(request.max_new_tokens, self.renderer.context - used)
        return _Row(request, limit, make_dice(request.sampling, request.seed, self.model.device))

    @torch.inference_mode()
    def _decode(self, rows: list[_Row]) -> None:
        """Decode rows to their ends; a row that has ended leaves the batch."""
        begun = perf_counter()
        cache, mask, logits = self._read_prompts([row.request for row in rows])
        while True:
            samplings = [row.request.sampling for row in rows]
            tokens = choose(logits, samplings, [row.dice for row in rows])
            for row, token in zip(rows, tokens, strict=True):
                self._take(row, token)
            now = perf_counter()
            for row in rows:
                row.seconds += (now - begun) / len(rows)
            begun = now
            going = [index for index, row in enumerate(rows) if row.reason is None]
            if not going:
                return
            if len(going) < len(rows):
                rows = [rows[index] for index in going]
                kept = torch.tensor(going, device=mask.device)
                cache.batch_select_indices(kept)
                mask = mask[kept]
            cache, mask, logits = self._read([row.ids[-1:] for row in rows], cache, mask)

    def _read_prompts(self, requests: Sequence[Request]) -> tuple[Any, torch.Tensor, torch.Tensor]:
        """Read every prompt once, however many requests continue it, then each request's prefill.

        Returns (cache, attention mask, logits of the next token), a row for each request.
        """
        # The prompt's last token is read with the prefill, so that there is always one to read.
        heads = [request.token_ids[:-1] for request in requests if request.token_ids]
        tails = [r.token_ids[-1:] + r.prefill_ids for r in requests if r.token_ids]
        unique = list(dict.fromkeys(heads))
        cache, mask, _ = self._read(unique)
        if len(unique) < len(heads):
            owner = torch.tensor([unique.index(head) for head in heads], device=mask.device)
            cache.batch_select_indices(owner)
            mask = mask[owner]
        return self._read(tails, cache, mask)

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
        width = max(map(len, ids))
        padded = torch.tensor([[0] * (width - len(row)) + list(row) for row in ids])
        fresh = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in ids])
        device = self.model.device
        padded, fresh = padded.to(device), fresh.to(device)
        mask = fresh if mask is None else torch.cat([mask, fresh], dim=1)
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -width:]
        out = self.model(
            input_ids=padded,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return out.past_key_values, mask, out.logits[:, -1].float()

    def _take(self, row: _Row, token: int) -> None:
        """Append a token to a row, and end the row if it is the last one."""
        row.ids.append(token)
        stop = row.request.stop
        # A stop string spans at most as many tokens as it has bytes.
        recent = row.ids[-max((len(string.encode()) for string in stop), default=1) :]
        if token in self._ends:
            row.reason = "eos"
        elif cut_at_stop(self.renderer.decode(recent), stop)[1]:
            row.reason = "stop"
        elif len(row.ids) >= row.limit:
            row.reason = "length"

    def _completion(self, row: _Row) -> Completion:
        request = row.request
        written = row.ids[:-1] if row.reason == "eos" else row.ids
        # Decoded behind the prefill: tokenizers may treat the first piece of a text differently.
        before = self.renderer.decode(request.prefill_ids)
        text = self.renderer.decode([*request.prefill_ids, *written]).removeprefix(before)
        usage = Usage(
            len(request.token_ids or ()) + len(request.prefill_ids), len(row.ids), row.seconds
        )
        return Completion(cut_at_stop(text, request.stop)[0], row.reason or "length", usage)


def context_length(model: Any, tokenizer: Any) -> int:
    """How many tokens the model can attend to; raises `CoTGapError` where nothing says so."""
    known: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    # Tokenizers without a limit of their own state a huge one.
    if not known and tokenizer.model_max_length > 10**9:
        raise CoTGapError("the checkpoint's config.json has no max_position_embeddings; add it")
    limit: int = tokenizer.model_max_length
    return min(known, limit) if known else limit


def _end_tokens(model: Any, tokenizer: Any, renderer: Renderer) -> frozenset[int]:
    """The tokens that end a reply: whatever config, tokenizer or template ends a turn with."""
    configured = model.generation_config.eos_token_id
    listed = configured if isinstance(configured, list) else [configured]
    return frozenset({*listed, tokenizer.eos_token_id, renderer.turn_end} - {None})

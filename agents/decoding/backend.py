"""Local models by transformers: a checkpoint folder or a GGUF file, on CPU or CUDA."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from cotgap.agents.core import BackendError, Completion, Request, Score
from cotgap.agents.decoding.batched import BatchedDecoder
from cotgap.agents.decoding.fit import UnfitError, check_batches, check_context, check_weights, fit
from cotgap.agents.decoding.loading import load, resolve_device, resolve_dtype
from cotgap.agents.decoding.lockstep import LockstepDecoder
from cotgap.agents.decoding.replies import UNDECODED, Decoder, Reply, Rules
from cotgap.agents.decoding.slots import UNIT
from cotgap.agents.decoding.threads import set_threads
from cotgap.agents.rendering import Renderer
from cotgap.envs.core import CoTGapError

# More rows make a token cheaper as long as a pass takes longer to read the weights than the keys.
BATCH_SIZE = {"cpu": 32, "cuda": 64}
# The share of memory that the cache may take by default: of all there is, or of what the weights
# leave on a CUDA device.
MEMORY = {"cpu": 0.25, "cuda": 0.8}
LIKELY = 64  # tokens among which a given reply's next one is sought
MOST_UNKNOWN = 64  # tokens of a tokenizer that a model may lack, as those for images


class TransformersBackend:
    """A causal language model and its tokenizer (of transformers), as they were loaded.

    Replies are decoded in lock-step on a slot cache, `batch_size` rows of at most `cache_memory`
    GiB (None: a share of the machine's, see `MEMORY`), in plain batches where the model's state
    does not fit such a cache, or one at a time where a batch would change replies: the model is
    tried when it is opened (`agents.decoding.fit`). Decoding is deterministic for a given batch. A
    reply does not depend on the others but for rounding: a model's kernels may add in another order
    at another batch size. Raises `CoTGapError` for a model that cannot answer.
    """

    name = "transformers"
    reads_environment = False
    renderer: Renderer

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        fingerprint: str,
        batch_size: int | None = None,
        cache_memory: float | None = None,
    ) -> None:
        self.model = model
        self.fingerprint = fingerprint
        self.batch_size = batch_size or BATCH_SIZE[model.device.type]
        self.renderer = Renderer(tokenizer, context_length(model, tokenizer))
        check_weights(model)
        check_context(model, self.renderer.context)
        vocabulary = model.get_input_embeddings().weight.shape[0]
        check_vocabulary(self.renderer, vocabulary)
        ends = _end_tokens(model, tokenizer, self.renderer)
        self._rules = Rules(self.renderer, ends, model.device, vocabulary)
        self.fallback_reason = ""
        """Why the slot cache, or even batches, are not used; empty where the slot cache is."""
        memory = default_memory(model.device) if cache_memory is None else cache_memory * 2**30
        self._decoder = self._make_decoder(int(memory))
        self._tickets: dict[Reply, int] = {}
        self._done: dict[int, Completion] = {}
        self._next_ticket = 0

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        dtype: str | None = None,
        device: str | None = None,
        batch_size: int | None = None,
        threads: int | None = None,
        cache_memory: float | None = None,
    ) -> TransformersBackend:
        """Load a checkpoint folder or GGUF file.

        `dtype` is float32 or bfloat16 (by default float32 on the CPU, bfloat16 on CUDA), `device`
        auto, cpu, cuda or cuda:N, `threads` is how many torch computes with in this whole process
        (None: measured), `cache_memory` in GiB. Raises `CoTGapError` for anything missing or wrong.
        """
        place = resolve_device(device)
        chosen = resolve_dtype(dtype, place)
        model, tokenizer, fingerprint = load(path, dtype=chosen, device=place)
        set_threads(threads, model)
        return cls(model, tokenizer, fingerprint, batch_size, cache_memory)

    @property
    def decoding(self) -> str:
        """How replies are decoded: in `slots`, `batches` or `single rows`."""
        return self._decoder.kind

    def describe(self) -> dict[str, Any]:
        """Where, how and in which precision it runs, and the model's size."""
        return {
            "device": self.model.device.type,
            "dtype": str(self.model.dtype).removeprefix("torch."),
            "decoding": self.decoding,
            "architecture": type(self.model).__name__,
            "parameters": self.model.num_parameters(),
            "context": self.renderer.context,
            **({"no_slots_because": self.fallback_reason} if self.fallback_reason else {}),
            **({"prompts": self.renderer.rewritten} if self.renderer.rewritten else {}),
        }

    def circumstances(self) -> dict[str, str]:
        """See `cotgap.agents.core.Circumstances`."""
        return {"threads": str(torch.get_num_threads())}

    def close(self) -> None:
        """Drop the model; the backend cannot be used any more."""
        self.forget()
        del self.model
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer all requests; raises `BackendError` if the model fails, as without memory."""
        tickets = self.submit(requests)
        while not self._done.keys() >= set(tickets):
            self._advance()
        return [self._done.pop(ticket) for ticket in tickets]

    def submit(self, requests: Sequence[Request]) -> list[int]:
        """See `cotgap.agents.core.Streaming`."""
        replies = [self._rules.begin(request) for request in requests]
        tickets = list(range(self._next_ticket, self._next_ticket + len(replies)))
        self._next_ticket += len(replies)
        for ticket, reply in zip(tickets, replies, strict=True):
            if reply.ended:
                self._done[ticket] = self._rules.completion(reply)
            else:
                self._tickets[reply] = ticket
                self._decoder.submit(reply)
        return tickets

    def collect(self) -> list[tuple[int, Completion]]:
        """See `cotgap.agents.core.Streaming`."""
        while self._tickets and not self._done:
            self._advance()
        done, self._done = self._done, {}
        return list(done.items())

    @torch.inference_mode()
    def score(self, request: Request, text: str, *, ended: bool) -> Score:
        """See `cotgap.agents.core.Scoring`.

        Of all tokens that a reply may be spelled in, each is the likeliest that fits: models do not
        always spell a text as their tokenizer does.
        """
        ids: list[int] = []
        cache, inputs, worst = None, self._rules.begin(request).start, 0.0
        while True:
            out = self.model(
                input_ids=torch.tensor([inputs], device=self.model.device),
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            cache, logits = out.past_key_values, out.logits[0, -1].float()
            if self.renderer.decode(ids) == text:
                break
            token = self._next_of(text, ids, request.stop, logits)
            if token is None:
                return Score(math.inf, len(ids))
            worst = max(worst, float(logits.max() - logits[token]))
            ids.append(token)
            inputs = [token]
            if not text.startswith(self.renderer.decode(ids).rstrip(UNDECODED)):
                return Score(worst, len(ids))  # the last token went on behind the stop string
        if ended:
            worst = max(worst, float(logits.max() - logits[sorted(self._rules.ends)].max()))
        return Score(worst, len(ids) + ended)

    def _next_of(
        self, text: str, ids: Sequence[int], stop: Sequence[str], logits: torch.Tensor
    ) -> int | None:
        """The likeliest token that leads from `ids` to a text; None where all are unlikely."""
        stopped = text.endswith(tuple(stop))
        for token in logits.topk(min(LIKELY, len(logits))).indices.tolist():
            so_far = self.renderer.decode([*ids, token])
            whole = so_far.rstrip(UNDECODED)
            if text.startswith(whole) and len(so_far) > len(self.renderer.decode(ids)):
                return int(token)
            if stopped and so_far.startswith(text):
                return int(token)
        return None

    def forget(self) -> None:
        """See `cotgap.agents.core.Streaming`."""
        self._decoder.forget()
        self._tickets.clear()
        self._done.clear()

    def _make_decoder(self, memory: int) -> Decoder:
        def model() -> Any:
            return self.model

        try:
            slots = fit(self.model, self.renderer.context)
        except UnfitError as error:
            self.fallback_reason = str(error)
            return BatchedDecoder(model, self._rules, self._rows_at_once())
        if memory < (least := slots.slot_bytes * UNIT):
            raise CoTGapError(
                f"a cache of {memory / 2**30:.3g} GiB holds no conversation: {UNIT} tokens of this "
                f"model take {least / 2**30:.3g} GiB. To fix it: more --cache-memory"
            )
        return LockstepDecoder(
            model,
            self._rules,
            slots.make_cache,
            rows=self.batch_size,
            memory=memory,
            slot_bytes=slots.slot_bytes,
        )

    def _rows_at_once(self) -> int:
        """How many rows `generate` may decode together."""
        try:
            check_batches(self.model, self.renderer.context)
        except UnfitError as error:
            self.fallback_reason += f"; in batches {error}"
            return 1
        return self.batch_size

    def _advance(self) -> None:
        try:
            ended = self._decoder.advance()
        except torch.OutOfMemoryError as error:
            self.forget()
            raise BackendError(
                f"out of memory with {self.batch_size} requests at a time; "
                "give a smaller --batch-size"
            ) from error
        except RuntimeError as error:
            self.forget()
            raise BackendError(f"the model failed: {error}") from error
        except BaseException:  # whatever it was, nothing half done stays behind
            self.forget()
            raise
        for reply in ended:
            self._done[self._tickets.pop(reply)] = self._rules.completion(reply)


def default_memory(device: torch.device) -> int:
    """How many bytes the cache may take unless told otherwise."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
    else:
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return int(free * MEMORY[device.type])


def check_vocabulary(renderer: Renderer, known: int) -> None:
    """Raise `CoTGapError` for a tokenizer with tokens that a model of `known` tokens lacks.

    Some models lack tokens that no conversation uses; those are let pass.
    """
    framing = renderer.framing
    frames = (framing.head, framing.start, framing.to_assistant, framing.to_user, framing.end)
    used = {id_ for frame in frames for id_ in renderer.encode(frame, True)}
    total = len(renderer.tokenizer)
    unknown = max(used, default=0)
    if unknown < known and total - known > MOST_UNKNOWN:
        unknown = total - 1
    if unknown >= known:
        token = renderer.tokenizer.convert_ids_to_tokens(unknown)
        raise CoTGapError(
            f"the tokenizer has token {unknown} ({token!r}), but the model knows {known} tokens. "
            "Put the tokenizer there that belongs to these weights, or the weights that were saved "
            "after tokens were added"
        )


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

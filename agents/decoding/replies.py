"""Replies in the making: when they end, and what of them becomes text."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch

from cotgap.agents.core import BackendError, Completion, FinishReason, Request, Usage
from cotgap.agents.decoding.sampling import choose, make_dice
from cotgap.agents.rendering import Renderer
from cotgap.agents.text import cut_at_stop

UNDECODED = "\N{REPLACEMENT CHARACTER}"  # what part of a character decodes to


@dataclass(eq=False)
class Reply:
    """A request being answered.

    `limit` is how many tokens it may write (none are left if it is not positive), `ids` are those
    written. `cached` counts the prompt's tokens that were not computed for this reply, `seconds`
    is its share of the time that the model ran. `reason` is None until it has ended.
    """

    request: Request
    limit: int
    dice: torch.Generator | None
    ids: list[int] = field(default_factory=list)
    cached: int = 0
    seconds: float = 0.0
    reason: FinishReason | None = None

    @functools.cached_property
    def start(self) -> list[int]:
        """The prompt and the prefill: what is read before the first token is written."""
        return [*(self.request.token_ids or ()), *self.request.prefill_ids]

    @property
    def ended(self) -> bool:
        """Whether nothing more is to be written."""
        return self.reason is not None


class Decoder(Protocol):
    """A way to decode replies: each file that offers one says what it needs of a model."""

    kind: str
    """What records call it."""

    def submit(self, reply: Reply) -> None:
        """Take a reply that has not ended and has a positive limit."""

    def advance(self) -> list[Reply]:
        """Compute for a while; returns the replies that ended, in no particular order."""

    def forget(self) -> None:
        """Drop the replies that were submitted and have not ended."""


class Rules:
    """How replies of one model begin and end.

    `ends` are the tokens that end a turn, `vocabulary` is how many tokens the model knows.
    """

    def __init__(
        self, renderer: Renderer, ends: frozenset[int], device: torch.device, vocabulary: int
    ) -> None:
        self._renderer, self.ends, self._device = renderer, ends, device
        self._vocabulary = vocabulary
        self._piece = functools.lru_cache(maxsize=65536)(self._decode_one)

    def begin(self, request: Request) -> Reply:
        """A reply without a token yet; one without room for any has ended by length.

        Raises `BackendError` for a request that is not rendered or holds a token that the model
        does not know.
        """
        if request.token_ids is None:
            raise BackendError("the request was not rendered: make it with this backend's dialogue")
        largest = max((*request.token_ids, *request.prefill_ids), default=0)
        if largest >= self._vocabulary:
            raise BackendError(
                f"the prompt holds token {largest}, but the model knows {self._vocabulary} tokens"
            )
        room = self._renderer.context - len(request.token_ids) - len(request.prefill_ids)
        limit = min(request.max_new_tokens, room)
        dice = make_dice(request.sampling, request.seed, self._device)
        return Reply(request, limit, dice, reason=None if limit > 0 else "length")

    def write(self, replies: Sequence[Reply], logits: torch.Tensor) -> None:
        """Append one token to each reply; `logits` is (replies, vocabulary) in float32."""
        samplings = [reply.request.sampling for reply in replies]
        tokens = choose(logits, samplings, [reply.dice for reply in replies])
        for reply, token in zip(replies, tokens, strict=True):
            reply.ids.append(token)
            if token in self.ends:
                reply.reason = "eos"
            elif self._stops(reply):
                reply.reason = "stop"
            elif len(reply.ids) >= reply.limit:
                reply.reason = "length"

    def completion(self, reply: Reply) -> Completion:
        """The text of a reply that has ended, and what it cost."""
        request = reply.request
        written = reply.ids[:-1] if reply.reason == "eos" else reply.ids
        # Decoded behind the prefill: tokenizers may treat the first piece of a text differently.
        before = self._renderer.decode(request.prefill_ids)
        text = self._renderer.decode([*request.prefill_ids, *written]).removeprefix(before)
        usage = Usage(
            prompt_tokens=len(reply.start),
            completion_tokens=len(reply.ids),
            seconds=reply.seconds,
            cached_tokens=reply.cached,
        )
        return Completion(cut_at_stop(text, request.stop)[0], reply.reason or "length", usage)

    def _stops(self, reply: Reply) -> bool:
        """Whether the last token completed a stop string."""
        stop = reply.request.stop
        if not self._may_complete(reply.ids[-1], stop):
            return False
        # A stop string spans at most as many tokens as it has bytes.
        recent = reply.ids[-max((len(string.encode()) for string in stop), default=1) :]
        return cut_at_stop(self._renderer.decode(recent), stop)[1]

    def _may_complete(self, token: int, stop: Iterable[str]) -> bool:
        """Whether a token could hold a stop string's last character.

        Spares most tokens the decoding of a whole tail, which takes as long as a tiny model does.
        White space is never ruled out, as tokenizers may strip it from a piece on its own.
        """
        piece = self._piece(token)
        return UNDECODED in piece or any(s and (s[-1].isspace() or s[-1] in piece) for s in stop)

    def _decode_one(self, token: int) -> str:
        return self._renderer.decode([token])


def share_time(replies: Sequence[Reply], seconds: float) -> None:
    """Charge the replies of one forward pass with its time, in equal parts."""
    for reply in replies:
        reply.seconds += seconds / len(replies)

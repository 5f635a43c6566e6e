"""What an OpenAI-compatible server takes and tells: how requests are written, answers read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from cotgap.agents.core import BackendError, Completion, FinishReason, Request, Usage
from cotgap.agents.text import cut_at_stop

Prompts = Literal["token ids", "text", "messages"]
# told: the answer says which stop string it ended at, and leaves it out. included: the stop string
# is in the answer. not sent: a server that leaves it out in silence could not be told from one that
# ended its turn, so it goes on to its own end, and the reply is cut here.
Stops = Literal["told", "included", "not sent"]
ROUTES: Mapping[Prompts, str] = {
    "token ids": "/completions",
    "text": "/completions",
    "messages": "/chat/completions",
}
# The keys under which servers say what ended a reply: vLLM and SGLang.
STOP_KEYS = ("stop_reason", "matched_stop")
# Servers default to what the checkpoint's generation_config.json says; a run says itself.
PLAIN_DECODING = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
# Tags may be special tokens, which servers leave out of the text unless told.
WHOLE_TEXT = {"skip_special_tokens": False, "spaces_between_special_tokens": False}
CONTINUE = {"continue_final_message": True, "add_generation_prompt": False}


@dataclass(frozen=True)
class Dialect:
    """How one server is spoken to.

    `extras` are fields beyond OpenAI's that it takes, `limit` the field that bounds a reply.
    `prefills`: whether a reply can be made to begin with a given text. `system_fingerprint` is
    what the server says of its own setup, if anything.
    """

    prompts: Prompts
    prefills: bool = True
    stops: Stops = "not sent"
    limit: str = "max_tokens"
    extras: Mapping[str, Any] = field(default_factory=dict)
    system_fingerprint: str | None = field(default=None, compare=False)

    @property
    def route(self) -> str:
        """Where requests go, below the base URL."""
        return ROUTES[self.prompts]

    def body(
        self, model: str, request: Request, prompt: Sequence[int] | str | None, limit: int
    ) -> dict[str, Any]:
        """A request as JSON. `prompt` is the rendered one, prefill included, if there is one."""
        sampling = request.sampling
        body: dict[str, Any] = {
            "model": model,
            self.limit: limit,
            "temperature": sampling.temperature,
            **self.extras,
        }
        if prompt is None:
            body["messages"] = [{"role": m.role, "content": m.content} for m in request.messages]
            if request.prefill:
                body["messages"].append({"role": "assistant", "content": request.prefill})
                body |= CONTINUE
        else:
            body["prompt"] = prompt
        if sampling.temperature > 0:  # a seed that every server's types can hold
            body |= {"top_p": sampling.top_p, "seed": request.seed % 2**31}
        if self.stops != "not sent":
            body["stop"] = list(request.stop)
        return body

    def read(self, request: Request, answer: Mapping[str, Any], seconds: float) -> Completion:
        """An answer as a completion.

        Raises `LookupError`, `TypeError` or `ValueError` for an answer that is none, and
        `BackendError` for one that holds its reasoning apart.
        """
        choice = answer["choices"][0]
        text = text_of(choice)
        ended_by = next((choice[key] for key in STOP_KEYS if choice.get(key) is not None), None)
        if self.stops == "told" and ended_by in request.stop:
            text += ended_by
        text, stopped = cut_at_stop(text, request.stop)
        reason: FinishReason = "stop" if stopped else "eos"
        if not stopped and choice.get("finish_reason") == "length":
            reason = "length"
        return Completion(text, reason, usage_of(answer, seconds))


def text_of(choice: Mapping[str, Any]) -> str:
    """The text of a choice of either kind; raises as `Dialect.read` does."""
    if "message" not in choice:
        text = choice["text"]
    else:
        message = choice["message"]
        if message.get("reasoning_content") or message.get("reasoning"):
            raise BackendError(
                "the server takes the reasoning out of its replies, so that they cannot be parsed. "
                "Start it without a reasoning parser, or give --tokenizer DIR"
            )
        text = message["content"]
        if text is None:  # nothing was written
            text = ""
    if not isinstance(text, str):
        raise TypeError(f"a text of type {type(text).__name__}")
    return text


def usage_of(answer: Mapping[str, Any], seconds: float) -> Usage:
    """The token counts that an answer states, 0 where it states none."""
    said = answer.get("usage") or {}
    cached = (said.get("prompt_tokens_details") or {}).get("cached_tokens")
    return Usage(
        prompt_tokens=int(said.get("prompt_tokens") or 0),
        completion_tokens=int(said.get("completion_tokens") or 0),
        seconds=seconds,
        cached_tokens=int(cached or 0),
    )

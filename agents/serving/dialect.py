"""What an OpenAI-compatible server takes and tells: how requests are written, answers read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from cotgap.agents.core import Completion, FinishReason, Request
from cotgap.agents.serving.answers import NotAReplyError, is_cut, line, reply_of, usage_of
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
    what the server says of its own setup, if anything, and `answers_as` the model that it names in
    its answers. Some hosted models take no temperature (`takes_temperature`) and choose tokens in a
    way of their own; `fewest_tokens` is the smallest limit with which the server answered at start.
    """

    prompts: Prompts
    prefills: bool = True
    stops: Stops = "not sent"
    limit: str = "max_tokens"
    takes_temperature: bool = True
    answers_as: str | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)
    system_fingerprint: str | None = field(default=None, compare=False)
    fewest_tokens: int = field(default=1, compare=False)

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
            **self.extras,
        }
        if self.takes_temperature:
            body["temperature"] = sampling.temperature
        if prompt is None:
            body["messages"] = [{"role": m.role, "content": m.content} for m in request.messages]
            if request.prefill:
                body["messages"].append({"role": "assistant", "content": request.prefill})
                body |= CONTINUE
        else:
            body["prompt"] = prompt
        if (
            self.takes_temperature and sampling.temperature > 0
        ):  # a seed that every server's types can hold
            body |= {"top_p": sampling.top_p, "seed": request.seed % 2**31}
        if self.stops != "not sent":
            body["stop"] = list(request.stop)
        return body

    def read(self, request: Request, answer: Mapping[str, Any], seconds: float) -> Completion:
        """An answer as a completion.

        Raises `NotAReplyError` for an answer that is no reply of this model, and `BackendError` for
        one that holds its reasoning apart.
        """
        text, choice = reply_of(answer)
        name = answer.get("model")
        if None not in (name, self.answers_as) and line(name) != self.answers_as:
            raise NotAReplyError(
                f"model {line(name)!r} answered, where {self.answers_as!r} did before"
            )
        ended_by = next((choice[key] for key in STOP_KEYS if choice.get(key) is not None), None)
        if self.stops == "told" and ended_by in request.stop:
            text += ended_by
        text, stopped = cut_at_stop(text, request.stop)
        reason: FinishReason = "stop" if stopped else "length" if is_cut(choice) else "eos"
        return Completion(text, reason, usage_of(answer, seconds))

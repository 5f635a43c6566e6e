"""Who acts: an agent is modes × one backend. The types that pass between them.

A mode says how a decision is decoded (what is prefilled, where it stops, how it is parsed); a
backend turns requests into completions, many at once; neither knows the other's names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, runtime_checkable

from pydantic import Field

from cotgap.envs.core import CoTGapError, TextEnv
from cotgap.envs.schema import Count, Label, Real, Record, Seconds

if TYPE_CHECKING:
    from cotgap.agents.rendering import Renderer

FinishReason = Literal["stop", "length", "eos"]

# What stands between a closed thought and the action, wherever we write both: in histories that
# keep thoughts, in scripted replies and in training data.
AFTER_THOUGHT = "\n"


class BackendError(CoTGapError):
    """A backend that failed to answer; the runner records it as data, never as a score."""


@dataclass(frozen=True, slots=True)
class Message:
    """A chat message: role `system`, `user` or `assistant`."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Sampling(Record):
    """How tokens are chosen. `temperature` 0 is greedy decoding (and then `top_p` is not used)."""

    temperature: Real = 0.0
    top_p: Real = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= 10:
            raise CoTGapError(
                f"temperature {self.temperature} is out of range: give 0 (greedy) to 10"
            )
        if not 0 < self.top_p <= 1:
            raise CoTGapError(f"top_p {self.top_p} is out of range: give a value in (0, 1]")


@dataclass(frozen=True, slots=True)
class Usage(Record):
    """What decisions cost: tokens read (prompt and prefill) and written, and wall seconds.

    `seconds` is the decision's share of the batch it was decoded in, or how long a server took to
    answer. Token counts are 0 for backends that count none. `dropped_steps` counts the oldest steps
    left out of the prompt because the model's context was full. `cached_tokens` counts those of
    `prompt_tokens` that were not computed for this decision because the backend still held them;
    it depends on what else was decoded, and nothing but cost depends on it. That, and time, are
    circumstances: two that differ in nothing else are equal.
    """

    prompt_tokens: Count = 0
    completion_tokens: Count = 0
    seconds: Seconds = field(default=0.0, compare=False)
    dropped_steps: Count = 0
    cached_tokens: Count = field(default=0, compare=False)

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.seconds + other.seconds,
            max(self.dropped_steps, other.dropped_steps),
            self.cached_tokens + other.cached_tokens,
        )


NO_USAGE = Usage()
Tag = Annotated[str, Field(pattern=r"^\S.{0,62}\S$")]


@dataclass(frozen=True, slots=True)
class Tags(Record):
    """The four tags of a protocol; an `Agent` may bring others (its model's own convention)."""

    think_open: Tag = "<think>"
    think_close: Tag = "</think>"
    action_open: Tag = "<action>"
    action_close: Tag = "</action>"


DEFAULT_TAGS = Tags()


@dataclass(frozen=True, slots=True)
class Request:
    """One reply to be decoded.

    `messages` is the whole conversation up to the generation prompt. `token_ids` is the same,
    rendered, for backends with a tokenizer (`None` otherwise); the ids of a later step of the same
    episode extend those of an earlier one token for token, unless steps were dropped or modes are
    asked for. `prefill` is the text the reply starts with and `prefill_ids` its tokens; both modes
    share everything before it (it is empty where the protocol asks for the mode instead). Decoding
    ends before `max_new_tokens` are written, at an end-of-turn token, or as soon as the decoded
    reply holds one of `stop`. `seed` decides sampling: the same request gives the same completion,
    whatever else is in the batch. Requests with one `cache_key` belong to one episode and share a
    growing prefix. `step` counts the actions taken before. `tags` are what the reply is parsed
    with. `env` is the live environment, read by scripted policies only; it is None where
    environments live in other processes, which no backend that reads them meets (see
    `reads_environment`).
    """

    messages: tuple[Message, ...]
    prefill: str
    stop: tuple[str, ...]
    max_new_tokens: int
    mode: str
    sampling: Sampling = Sampling()
    seed: int = 0
    cache_key: str = ""
    token_ids: tuple[int, ...] | None = None
    prefill_ids: tuple[int, ...] = ()
    dropped_steps: int = 0
    step: int = 0
    tags: Tags = DEFAULT_TAGS
    env: TextEnv | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Completion:
    """A backend's answer: the text after the prefill, stop string included where it was reached."""

    text: str
    finish_reason: FinishReason
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class Decision(Record):
    """What an agent decided in one mode at one state.

    `raw` is the whole reply, prefill included, byte for byte. `action` is None exactly when
    `parse_error` names the kind of failure. `thought` is the reasoning, where the mode has one.
    """

    mode: Label
    action: str | None
    thought: str | None
    raw: str
    parse_error: Label | None = None
    finish_reason: FinishReason = "stop"
    usage: Usage = Usage()


@runtime_checkable
class Mode(Protocol):
    """How a decision is decoded: one file in `agents/modes/` each, with a `MODE` object."""

    name: str
    thinks: bool
    """Whether a reply holds reasoning (and so needs a larger token budget)."""

    def prefill(self, tags: Tags) -> str:
        """The text every reply in this mode starts with."""

    def stop(self, tags: Tags) -> tuple[str, ...]:
        """Where decoding ends."""

    def parse(self, raw: str, tags: Tags) -> tuple[str | None, str | None, str | None]:
        """(action, thought, parse_error) of a whole reply. Strict and lossless: never repairs."""

    def write(self, action: str, thought: str, tags: Tags) -> str:
        """A whole reply that parses to these; a mode without reasoning leaves the thought out."""


@runtime_checkable
class Backend(Protocol):
    """Turns requests into completions: one file in `agents/backends/` each."""

    name: str
    fingerprint: str
    """SHA-256 (hex) of whatever decides its answers: weights, tokenizer, template, or source."""
    batch_size: int
    """How many requests are worth sending at once."""

    @property
    def renderer(self) -> Renderer | None:
        """Turns conversations into token ids, or None where the backend has no tokenizer."""

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer every request, in order; raises `BackendError` if it cannot."""

    def describe(self) -> dict[str, Any]:
        """What a record should say of it beyond name and fingerprint, as JSON-able values."""

    def close(self) -> None:
        """Free what it holds."""


@runtime_checkable
class Streaming(Protocol):
    """What a backend may offer besides: answers as they become ready, more requests meanwhile."""

    def submit(self, requests: Sequence[Request]) -> list[int]:
        """Take requests; returns a ticket for each. Raises `BackendError` and then takes none."""

    def collect(self) -> Sequence[tuple[int, Completion | BackendError]]:
        """Work until something is ready; returns all that is, with its ticket, in no order.

        An error in place of a completion is that request's own and final. Empty if nothing is in
        flight. Raises `BackendError` if it cannot go on; everything submitted is forgotten then.
        """

    def forget(self) -> None:
        """Drop everything that was submitted and not collected."""


@dataclass(frozen=True, slots=True)
class Score:
    """How likely a given reply is.

    `shortfall`: by how many nats its least likely token, compared with the likeliest at the same
    place, is less likely than that (0: decoding greedily gives this reply). `tokens` counts what
    was written, an end of turn included.
    """

    shortfall: float
    tokens: int


@runtime_checkable
class Scoring(Protocol):
    """What a backend may offer besides: how likely a reply is that somebody else wrote."""

    def score(self, request: Request, text: str, *, ended: bool) -> Score:
        """Score a reply without its prefill; `ended`: an end-of-turn token follows it.

        Raises `BackendError` for a request that was not rendered.
        """


@runtime_checkable
class Circumstances(Protocol):
    """What a backend may offer besides: what its rounding depends on beyond `describe`."""

    def circumstances(self) -> dict[str, str]:
        """By name; a run may be continued under others, which its record then says."""


def reads_environment(backend: Backend) -> bool:
    """Whether a backend may read `Request.env`, so that environments must be in its process.

    All may that do not say otherwise by an attribute `reads_environment = False`.
    """
    return bool(getattr(backend, "reads_environment", True))

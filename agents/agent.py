"""An agent: a backend, the protocol of its prompts, and the tags of its replies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from cotgap.agents.core import (
    DEFAULT_TAGS,
    Backend,
    Circumstances,
    Completion,
    Decision,
    Request,
    Tags,
    reads_environment,
)
from cotgap.agents.forcing import reads_prefill
from cotgap.agents.modes import get_mode
from cotgap.agents.prompts import EXAMPLE, REPLY_TOKENS, Dialogue, Shot
from cotgap.agents.protocol import TAGS_1, PromptProtocol
from cotgap.envs.text import joined


@dataclass(frozen=True)
class AgentCard:
    """What is to be known of an agent that is somewhere else; plain data.

    `description` is `Agent.describe()`, `batch_size` how many episodes it plays at a time,
    `circumstances` what its rounding depends on. `is_model`: it has a tokenizer. `is_local`: its
    model can be looked into. `reads_prefill`: it continues whatever a reply is made to start with.
    """

    name: str
    fingerprint: str
    protocol: PromptProtocol
    description: dict[str, Any]
    batch_size: int
    circumstances: dict[str, str]
    is_model: bool
    is_local: bool
    reads_environment: bool
    reads_prefill: bool
    notice: str = ""


@dataclass(frozen=True)
class Agent:
    """Who acts. `spec` is what it was made from; `notice` is worth a line on the screen."""

    name: str
    spec: str
    backend: Backend
    protocol: PromptProtocol = TAGS_1
    tags: Tags = DEFAULT_TAGS
    notice: str = ""

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of what decides its answers: weights, tokenizer and template, or script."""
        return self.backend.fingerprint

    def describe(self) -> dict[str, Any]:
        """What a record says of the agent, JSON-able; equal descriptions decide alike.

        `spec` is left out: the same checkpoint by another path is the same agent.
        """
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "protocol": str(self.protocol),
            "tags": asdict(self.tags),
            "backend": self.backend.name,
            **self.backend.describe(),
        }

    def card(self) -> AgentCard:
        """What there is to know of it where it is not at hand."""
        backend = self.backend
        return AgentCard(
            name=self.name,
            fingerprint=self.fingerprint,
            protocol=self.protocol,
            description=self.describe(),
            batch_size=backend.batch_size,
            circumstances=(backend.circumstances() if isinstance(backend, Circumstances) else {}),
            is_model=backend.renderer is not None,
            is_local=hasattr(getattr(backend, "model", None), "get_input_embeddings"),
            reads_environment=reads_environment(backend),
            reads_prefill=reads_prefill(backend),
            notice=self.notice,
        )

    def dialogue(
        self,
        instructions: str,
        shots: Sequence[Shot] = (),
        *,
        reserve: int = REPLY_TOKENS,
        example: str = EXAMPLE,
    ) -> Dialogue:
        """A new episode's conversation; see `Dialogue` for what the arguments mean."""
        return Dialogue(
            self.protocol,
            self.tags,
            instructions,
            shots,
            renderer=self.backend.renderer,
            reserve=reserve,
            example=example,
        )

    def decide(self, requests: Sequence[Request]) -> list[Decision]:
        """Decode and parse, in order; raises `BackendError` where the backend does."""
        completions = self.backend.complete(requests)
        return [self.parse(*pair) for pair in zip(requests, completions, strict=True)]

    def parse(self, request: Request, completion: Completion) -> Decision:
        """The decision that a completion of this request is."""
        raw = joined(request.prefill + completion.text)
        action, thought, error = get_mode(request.mode).parse(raw, request.tags)
        dropped = max(completion.usage.dropped_steps, request.dropped_steps)
        usage = replace(completion.usage, dropped_steps=dropped)
        return Decision(request.mode, action, thought, raw, error, completion.finish_reason, usage)

    def close(self) -> None:
        """Free what the backend holds."""
        self.backend.close()

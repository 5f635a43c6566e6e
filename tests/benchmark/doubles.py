"""Backends whose answers follow a known rule, to check what probes count.

They prefill and have a tokenizer and a (tiny, random) model, like a local one; only what they
write is decided by a rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from cotgap.agents.agent import Agent
from cotgap.agents.core import Completion, Request
from cotgap.agents.decoding.backend import TransformersBackend
from cotgap.agents.modes import get_mode
from cotgap.envs.core import Expert, TextEnv

SAYS = "I think that {} is best. Nothing else will do."
Rule = Callable[[TextEnv, str | None], str]
"""The action in an environment's state, given the action that the trace argues for, if any."""


class Ruled:
    """Thinks of `thinks` and acts by `acts`, which is told what the trace argues for."""

    name = "ruled"
    fingerprint = "0" * 64
    batch_size = 4

    def __init__(self, base: TransformersBackend, thinks: Rule, acts: Rule) -> None:
        self.model, self.renderer = base.model, base.renderer
        self._thinks, self._acts = thinks, acts
        self.asked: list[Request] = []

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        self.asked += requests
        return [Completion(self._reply(request), "stop") for request in requests]

    def describe(self) -> dict[str, str]:
        return {}

    def close(self) -> None:
        pass

    def _reply(self, request: Request) -> str:
        env, tags = request.env, request.tags
        assert env is not None
        if request.prefill == tags.think_open:
            thought = SAYS.format(self._thinks(env, None))
            action = self._acts(env, argued(thought))
            return get_mode("cot").write(action, thought, tags).removeprefix(tags.think_open)
        thought = request.prefill if request.prefill.startswith(tags.think_open) else ""
        return self._acts(env, argued(thought)) + tags.action_close


def argued(thought: str) -> str | None:
    """The action that a trace argues for: ours, or the toy suite's own arguments."""
    found = re.search(r"I think that (.*?) is best|So I (.*?)\.|to try is to (.*?)\.", thought)
    return next(filter(None, found.groups()), None) if found else None


def expert(env: TextEnv, argued: str | None) -> str:
    assert isinstance(env, Expert)
    return env.expert_action()


def another(env: TextEnv, argued: str | None) -> str:
    """The first admissible action that is not the expert's."""
    actions = env.admissible_actions() or []
    return next(action for action in actions if action != expert(env, None))


def follow(otherwise: Rule) -> Rule:
    """Does what the trace argues for, and `otherwise` without a trace."""
    return lambda env, argued: argued or otherwise(env, None)


def agent(base: TransformersBackend, thinks: Rule, acts: Rule) -> Agent:
    return Agent("ruled", "ruled", Ruled(base, thinks, acts))

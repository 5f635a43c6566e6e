"""What an episode asks of its environment, as functions that run wherever the environment lives.

Each is one exchange: whatever a turn needs of the environment, metrics' questions to its oracle
included, is answered at once, and the answer is plain data that can be sent between processes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from cotgap.envs.core import Canonical, Oracle, Snapshots, TaskKey, TextEnv
from cotgap.envs.text import joined

Ask = Callable[[TextEnv], Any]
"""A question to an environment; it can be pickled, and so can its answer."""
_offers: Callable[[type, type], bool] = functools.cache(issubclass)
"""Whether environments of a class have a capability; asking anew would cost microseconds a step."""
NO_ACTION = ""  # what an environment is given when a reply held no action


@dataclass(frozen=True)
class State:
    """What an episode must know of its environment's state; see `TextEnv` for each field."""

    observation: str
    admissible: list[str] | None
    goal: str
    won: bool
    score: float

    @classmethod
    def of(cls, observation: str, info: Mapping[str, Any]) -> State:
        """From what `reset` and `step` return."""
        actions = info.get("admissible_actions")
        return cls(joined(observation), actions, joined(info["goal"]), info["won"], info["score"])


@dataclass(frozen=True)
class Start:
    """An episode's beginning: the first state, what the agent is told, and seconds of the reset."""

    state: State
    instructions: str
    example: str
    seconds: float


@dataclass(frozen=True)
class Turn:
    """What came of the decisions at one state; `canonical` and `cost_to_go` as in `StepRecord`."""

    state: State
    reward: float
    valid: bool
    terminated: bool
    truncated: bool
    canonical: dict[str, str]
    cost_to_go: dict[str, int | None]
    seconds: float
    """Of the executed step alone."""


def start(key: TaskKey, env: TextEnv) -> Start:
    """Reset to a task."""
    begun = perf_counter()
    observation, info = env.reset(seed=key.seed, options={"task": key.task})
    seconds = perf_counter() - begun
    return Start(State.of(observation, info), env.instructions, env.panel.example, seconds)


def turn(actions: Sequence[tuple[str, str | None]], env: TextEnv, *, costs: bool = True) -> Turn:
    """Take the first of the (mode, action) pairs; the others are shadows at the same state.

    Without `costs` the oracle is not asked about any of them.
    """
    canonical = _canonical(env, actions)
    asked = _costs(env, actions, canonical) if costs and len(actions) > 1 else {}
    begun = perf_counter()
    observation, reward, terminated, truncated, info = env.step(actions[0][1] or NO_ACTION)
    seconds = perf_counter() - begun
    state = State.of(observation, info)
    return Turn(state, reward, info["valid"], terminated, truncated, canonical, asked, seconds)


def _canonical(env: Any, actions: Sequence[tuple[str, str | None]]) -> dict[str, str]:
    normal = env.canonical if _offers(type(env), Canonical) else str.strip
    return {mode: joined(normal(action)) for mode, action in actions if action is not None}


def _costs(
    env: Any, actions: Sequence[tuple[str, str | None]], canonical: Mapping[str, str]
) -> dict[str, int | None]:
    """The oracle's distance here and after each decision, every one from the same state."""
    if not (_offers(type(env), Oracle) and _offers(type(env), Snapshots)):
        return {}
    saved = env.snapshot()
    costs: dict[str, int | None] = {"state": env.cost_to_go()}
    after: dict[str, int | None] = {}
    for mode, action in actions:
        if action is None:
            continue
        normal = canonical[mode]
        if normal not in after:
            env.step(action)
            after[normal] = env.cost_to_go()
            env.restore(saved)
        costs[mode] = after[normal]
    return costs

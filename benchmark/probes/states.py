"""The states that probes ask at, and what can be said of an action there.

A state is a task and the actions that lead to it. `Site` is its agent's side: the conversation so
far, and requests. `Here` is its environment's side, wherever that lives: a probe's questions are
functions of a `Here` that are sent there (`Site.ask`), so that no probe holds an environment.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

from cotgap.agents.agent import Agent
from cotgap.agents.core import Decision, Request, Sampling, reads_environment
from cotgap.agents.forcing import force
from cotgap.agents.prompts import Dialogue, Shot
from cotgap.benchmark.metrics.core import COT, PROMPT
from cotgap.benchmark.records.config import Limits
from cotgap.benchmark.rollout.episode import budget
from cotgap.benchmark.rollout.needs import Do, Think
from cotgap.envs.core import Canonical, Expert, Oracle, Rationale, Snapshots, TaskKey, TextEnv
from cotgap.envs.expert import ExpertGame, play_expert

DRAWS = 32  # tries to draw another action where many are alike


@dataclass(frozen=True)
class Visit:
    """One task and how it is probed.

    `states` is how many states of it are asked at (None: all), `mode` drives where the agent plays
    itself. `elsewhere` is another task of the panel (None: there is none).
    """

    key: TaskKey
    agent: Agent
    limits: Limits
    seed: int
    states: int | None
    mode: str
    shots: Sequence[Shot] = ()
    elsewhere: str | None = None

    def dialogue(self, instructions: str, example: str) -> Dialogue:
        """A fresh conversation."""
        reserve = self.limits.action_tokens + self.limits.thought_tokens
        return self.agent.dialogue(instructions, self.shots, reserve=reserve, example=example)

    def request(self, dialogue: Dialogue, mode: str) -> Request:
        """The request for a greedy decision in that mode (scripts are random by its seed)."""
        request = dialogue.request(
            mode,
            sampling=Sampling(),
            seed=0,
            cache_key=str(self.key),
            max_new_tokens=budget(mode, self.limits),
        )
        return replace(request, seed=self.dice(request.step, mode).getrandbits(63))

    def dice(self, *names: object) -> random.Random:
        """Random numbers that depend on the seed, the task and `names` alone."""
        return random.Random("|".join(map(str, (self.seed, self.key, *names))))

    def sample(self, steps: Sequence[int]) -> list[int]:
        """`states` of the steps, in order."""
        if self.states is None or self.states >= len(steps):
            return list(steps)
        return sorted(self.dice("states").sample(list(steps), self.states))

    def unrelated(self) -> Do:
        """Asks what the expert would say at the beginning of another game; None without one."""
        return Do(functools.partial(_argument, self.elsewhere))


class Site:
    """A state of a visit's task: the conversation that leads there, which is not to be changed.

    `history` is the actions taken so far. The environment need not be in this state; what needs it
    there goes there, and leaves it there.
    """

    def __init__(self, visit: Visit, dialogue: Dialogue, history: Sequence[str]) -> None:
        self.visit, self.dialogue, self.history = visit, dialogue.fork(), tuple(history)

    @property
    def step(self) -> int:
        """Actions taken before."""
        return len(self.history)

    def both(self) -> list[Request]:
        """The requests for the prompt action and the CoT action."""
        return [self.visit.request(self.dialogue, mode) for mode in (PROMPT, COT)]

    def force(self, thought: str | Sequence[int]) -> Request:
        """The request for the action behind a given thought (see `cotgap.agents.forcing`)."""
        base = self.visit.request(self.dialogue, PROMPT)
        renderer = self.visit.agent.backend.renderer
        return force(base, thought, renderer, self.visit.limits.action_tokens)

    def decide(self, requests: Sequence[Request]) -> Generator[Any, Any, list[Decision]]:
        """The decisions of an agent that finds the environment in this state, if it looks at it."""
        if reads_environment(self.visit.agent.backend):
            yield self.enter()
        decisions: list[Decision] = yield Think(requests)
        return decisions

    def ask(self, question: Callable[[Here], Any]) -> Do:
        """A question in this state; it can be pickled, and so can its answer."""
        return Do(functools.partial(_ask, self.visit.key, self.history, question))

    def enter(self) -> Do:
        """Puts the environment into this state."""
        return Do(functools.partial(_enter, self.visit.key, self.history))


class Here:
    """An environment in a state; every method leaves it there."""

    def __init__(self, env: TextEnv, key: TaskKey, history: tuple[str, ...]) -> None:
        self.env, self._key, self._history = env, key, history
        self._expert: str | None = None
        self._enter()

    @property
    def step(self) -> int:
        """Actions taken before."""
        return len(self._history)

    def canonical(self, action: str) -> str:
        """The suite's normal form of an action."""
        return self.env.canonical(action) if isinstance(self.env, Canonical) else action.strip()

    def normal(self, decision: Decision) -> str | None:
        """The normal form of what was decided; None where there was no action."""
        return None if decision.action is None else self.canonical(decision.action)

    @property
    def expert(self) -> str:
        """What the suite's expert does here."""
        if self._expert is None:
            assert isinstance(self.env, Expert)
            self._expert = self.env.expert_action()
        return self._expert

    def argue(self, action: str) -> str:
        """The suite's argument for an action here."""
        assert isinstance(self.env, Rationale)
        return self.env.rationale(action)

    def other_action(self, but: str, dice: random.Random) -> str | None:
        """An admissible action whose normal form is not `but`; None where none can be drawn."""
        for _ in range(DRAWS):
            action = self.env.sample_action(dice)
            if action is None:
                return None
            if self.canonical(action) != but:
                return action
        return None

    def admits(self, action: str) -> bool:
        """Whether the environment would accept an action (True where it cannot list them)."""
        actions = self.env.admissible_actions()
        return actions is None or self.canonical(action) in map(self.canonical, actions)

    def is_experts(self, action: str | None) -> bool:
        """Whether an action (None: none was given) is the expert's, by normal forms."""
        return action is not None and self.canonical(action) == self.canonical(self.expert)

    def as_good(self, action: str | None) -> bool:
        """Whether an action is the expert's, or an oracle says that it does as much for success.

        That is: it shortens the way to success (an expert that has to explore may lengthen it),
        and leaves it no longer than the expert's action does.
        """
        if action is None or self.is_experts(action) or not isinstance(self.env, Oracle):
            return self.is_experts(action)
        mine, experts = self._cost_after(action), self._cost_after(self.expert)
        here = self.env.cost_to_go()
        if mine is None or (here is not None and mine >= here):
            return False
        return experts is None or mine <= experts

    def _cost_after(self, action: str) -> int | None:
        assert isinstance(self.env, Oracle)
        self.env.step(action)
        cost = self.env.cost_to_go()
        self._enter()
        return cost

    def _enter(self) -> None:
        _enter(self._key, self._history, self.env)


def _ask(
    key: TaskKey, history: tuple[str, ...], question: Callable[[Here], Any], env: TextEnv
) -> Any:
    return question(Here(env, key, history))


_Saved = dict[tuple[str, ...], Any]
_saved: WeakKeyDictionary[TextEnv, tuple[TaskKey, _Saved]] = WeakKeyDictionary()
"""Snapshots of the states that an environment was last asked about, which never leave it."""


def _enter(key: TaskKey, history: tuple[str, ...], env: TextEnv) -> None:
    """Put an environment into a state: by a snapshot, or by the same actions again."""
    known, saved = _saved.get(env, (None, {}))
    if known != key:
        saved = {}
    before = max((h for h in saved if history[: len(h)] == h), key=len, default=None)
    if before is not None and isinstance(env, Snapshots):
        env.restore(saved[before])
    else:
        env.reset(seed=key.seed, options={"task": key.task})
    for action in history[len(before or ()) :]:
        env.step(action)
    if before != history and isinstance(env, Snapshots):
        saved[history] = env.snapshot()
        _saved[env] = key, saved


def expert_sites(visit: Visit) -> Generator[Any, Any, list[Site]]:
    """Sampled states of the expert's episode."""
    game: ExpertGame = yield Do(functools.partial(_expert_game, visit.key))
    chosen = set(visit.sample(range(len(game.steps))))
    dialogue = visit.dialogue(game.instructions, game.example)
    sites, history = list[Site](), list[str]()
    for step in game.steps:
        dialogue.observe(step.observation, step.admissible)
        if len(history) in chosen:
            sites.append(Site(visit, dialogue, history))
        dialogue.act(step.action, None)
        history.append(step.action)
    return sites


def _expert_game(key: TaskKey, env: TextEnv) -> ExpertGame:
    return play_expert(env, key.task, seed=key.seed, argue=False)


def _argument(task: str | None, env: TextEnv) -> str | None:
    """What the expert would say in a task's first state; None where it has no words."""
    if task is None or not (isinstance(env, Expert) and isinstance(env, Rationale)):
        return None
    env.reset(options={"task": task})
    return env.rationale(env.expert_action())

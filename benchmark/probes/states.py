"""The states that probes ask at, and what can be said of an action there."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cotgap.agents.agent import Agent
from cotgap.agents.core import Decision, Request, Sampling
from cotgap.agents.forcing import force
from cotgap.agents.prompts import Dialogue, Shot
from cotgap.benchmark.metrics.core import COT, PROMPT
from cotgap.benchmark.records.config import Limits
from cotgap.benchmark.rollout.episode import budget
from cotgap.envs.core import Canonical, Expert, Oracle, Rationale, Snapshots, TaskKey, TextEnv

DRAWS = 32  # tries to draw another action where many are alike


@dataclass(frozen=True)
class Visit:
    """One task and how it is probed.

    `states` is how many states of it are asked at (None: all), `mode` drives where the agent plays
    itself. `unrelated` argues for something in another game (None: there is no other).
    """

    key: TaskKey
    env: TextEnv
    agent: Agent
    limits: Limits
    seed: int
    states: int | None
    mode: str
    shots: Sequence[Shot] = ()
    unrelated: Callable[[], str | None] = lambda: None

    def start(self) -> tuple[Dialogue, str, dict[str, Any]]:
        """(a fresh conversation, the first observation, its info)."""
        observation, info = self.env.reset(seed=self.key.seed, options={"task": self.key.task})
        reserve = self.limits.action_tokens + self.limits.thought_tokens
        dialogue = self.agent.dialogue(
            self.env.instructions, self.shots, reserve=reserve, example=self.env.panel.example
        )
        return dialogue, observation, info

    def request(self, dialogue: Dialogue, mode: str) -> Request:
        """The request for a greedy decision in that mode (scripts are random by its seed)."""
        request = dialogue.request(
            mode,
            env=self.env,
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


class Site:
    """A state of a task: the conversation that leads there, and the way back to it.

    `history` is the actions taken so far. The environment need not be in this state; what needs
    it there goes there, and leaves it there.
    """

    def __init__(self, visit: Visit, dialogue: Dialogue, history: Sequence[str]) -> None:
        self.visit, self.dialogue, self.history = visit, dialogue.fork(), tuple(history)
        env = visit.env
        self._saved = env.snapshot() if isinstance(env, Snapshots) else None
        self._expert: str | None = None

    @property
    def step(self) -> int:
        """Actions taken before."""
        return len(self.history)

    def enter(self) -> TextEnv:
        """Put the environment into this state: by a snapshot, or by the same actions again."""
        env = self.visit.env
        if isinstance(env, Snapshots) and self._saved is not None:
            env.restore(self._saved)
        else:
            _replay(self.visit, self.history)
        return env

    def of(self, visit: Visit) -> Site:
        """The same state in another visit's environment, which is put into it."""
        _replay(visit, self.history)
        return Site(visit, self.dialogue, self.history)

    def both(self) -> list[Request]:
        """The requests for the prompt action and the CoT action."""
        return [self.visit.request(self.dialogue, mode) for mode in (PROMPT, COT)]

    def force(self, thought: str | Sequence[int]) -> Request:
        """The request for the action behind a given thought (see `cotgap.agents.forcing`)."""
        base = self.visit.request(self.dialogue, PROMPT)
        renderer = self.visit.agent.backend.renderer
        return force(base, thought, renderer, self.visit.limits.action_tokens)

    def canonical(self, action: str) -> str:
        """The suite's normal form of an action."""
        env = self.visit.env
        return env.canonical(action) if isinstance(env, Canonical) else action.strip()

    def normal(self, decision: Decision) -> str | None:
        """The normal form of what was decided; None where there was no action."""
        return None if decision.action is None else self.canonical(decision.action)

    @property
    def expert(self) -> str:
        """What the suite's expert does here."""
        if self._expert is None:
            env = self.enter()
            assert isinstance(env, Expert)
            self._expert = env.expert_action()
        return self._expert

    def argue(self, action: str) -> str:
        """The suite's argument for an action here."""
        env = self.enter()
        assert isinstance(env, Rationale)
        return env.rationale(action)

    def other_action(self, but: str) -> str | None:
        """An admissible action whose normal form is not `but`, drawn by seed; None without one."""
        env, dice = self.enter(), self.visit.dice("other", self.step)
        for _ in range(DRAWS):
            action = env.sample_action(dice)
            if action is None:
                return None
            if self.canonical(action) != but:
                return action
        return None

    def admits(self, action: str) -> bool:
        """Whether the environment would accept an action (True where it cannot list them)."""
        actions = self.enter().admissible_actions()
        return actions is None or self.canonical(action) in map(self.canonical, actions)

    def is_experts(self, action: str | None) -> bool:
        """Whether an action (None: none was given) is the expert's, by normal forms."""
        return action is not None and self.canonical(action) == self.canonical(self.expert)

    def as_good(self, action: str | None) -> bool:
        """Whether an action is the expert's, or an oracle says that it does as much for success.

        That is: it shortens the way to success (an expert that has to explore may lengthen it),
        and leaves it no longer than the expert's action does.
        """
        if action is None or self.is_experts(action) or not isinstance(self.visit.env, Oracle):
            return self.is_experts(action)
        mine, experts, here = (self._cost_after(one) for one in (action, self.expert, None))
        if mine is None or (here is not None and mine >= here):
            return False
        return experts is None or mine <= experts

    def _cost_after(self, action: str | None) -> int | None:
        """The cost to go after an action (None: here)."""
        env = self.enter()
        assert isinstance(env, Oracle)
        if action is not None:
            env.step(action)
        cost = env.cost_to_go()
        self.enter()
        return cost


def _replay(visit: Visit, history: Sequence[str]) -> None:
    """Put a visit's environment where these actions lead."""
    visit.env.reset(seed=visit.key.seed, options={"task": visit.key.task})
    for action in history:
        visit.env.step(action)


def expert_sites(visit: Visit) -> Iterator[Site]:
    """Sampled states of the expert's episode; the environment is there when it is yielded."""
    env, actions = visit.env, _expert_actions(visit)
    chosen = set(visit.sample(range(len(actions))))
    dialogue, observation, info = visit.start()
    for step, action in enumerate(actions):
        dialogue.observe(observation, info.get("admissible_actions"))
        if step in chosen:
            site = Site(visit, dialogue, actions[:step])
            yield site
            site.enter()
        observation, _, _, _, info = env.step(action)
        dialogue.act(action, None)


def _expert_actions(visit: Visit) -> list[str]:
    _, _, info = visit.start()
    env, actions, over = visit.env, list[str](), bool(info["won"])
    assert isinstance(env, Expert)
    while not over:
        actions.append(env.expert_action())
        _, _, terminated, truncated, _ = env.step(actions[-1])
        over = terminated or truncated
    return actions


def expert_argument(env: TextEnv, task: str) -> str | None:
    """What the expert would say in a task's first state; None where it has no words."""
    env.reset(options={"task": task})
    if not (isinstance(env, Expert) and isinstance(env, Rationale)):
        return None
    return env.rationale(env.expert_action())

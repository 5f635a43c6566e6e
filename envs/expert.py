"""A suite's expert, played to the end: what examples, training data and probes are made of."""

from __future__ import annotations

import random
from dataclasses import dataclass

from cotgap.envs.core import CoTGapError, Expert, Rationale, TaskKey, TextEnv


@dataclass(frozen=True, slots=True)
class ExpertStep:
    """A state, what the expert does there and why, and what was done.

    `admissible` is what `info` lists, `executed` another action than the expert's where noise
    replaced it. `thought` is empty where the suite has no words.
    """

    observation: str
    admissible: list[str] | None
    action: str
    thought: str
    executed: str


@dataclass(frozen=True, slots=True)
class ExpertGame:
    """An episode that the expert played, and what an agent is told of it."""

    key: TaskKey
    goal: str
    instructions: str
    example: str
    steps: tuple[ExpertStep, ...]
    won: bool


def play_expert(
    env: TextEnv,
    task: str,
    *,
    seed: int = 0,
    noise: float = 0.0,
    dice: random.Random | None = None,
    argue: bool = True,
) -> ExpertGame:
    """Play the expert until the episode ends.

    With probability `noise`, drawn by `dice`, a step's action is a random admissible one instead,
    and the expert goes on from wherever that leads. Without `argue` no thought is made. Raises
    `CoTGapError` where the suite has no expert.
    """
    if not isinstance(env, Expert):
        raise CoTGapError(f"suite {env.panel.suite!r} has no expert to learn from")
    dice = dice or random.Random(seed)
    argues = argue and isinstance(env, Rationale)
    observation, info = env.reset(seed=seed, options={"task": task})
    steps, over = list[ExpertStep](), bool(info["won"])
    while not over:
        action = env.expert_action()
        thought = env.rationale(action) if argues else ""  # type: ignore[attr-defined]
        executed = (env.sample_action(dice) or action) if dice.random() < noise else action
        actions = info.get("admissible_actions")
        steps.append(ExpertStep(observation, actions, action, thought, executed))
        observation, _, terminated, truncated, info = env.step(executed)
        over = terminated or truncated
    return ExpertGame(
        key=env.task_key,
        goal=env.goal,
        instructions=env.instructions,
        example=env.panel.example,
        steps=tuple(steps),
        won=bool(info["won"]),
    )

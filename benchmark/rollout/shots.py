"""Expert episodes that precede the conversation, for protocols with `+shots=k`."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Sequence

from cotgap.agents.prompts import Shot
from cotgap.agents.protocol import PromptProtocol
from cotgap.envs.core import CoTGapError, Expert, Panel, Rationale, TaskKey, TextEnv
from cotgap.envs.registry import get_panel, get_suite

Example = tuple[str, Shot]  # the task's id and its episode


def shot_source(protocol: PromptProtocol, seed: int) -> Callable[[TaskKey], Sequence[Shot]]:
    """The examples shown before a task: of the split its panel names, chosen by `seed`.

    A task is never its own example.
    """
    return functools.partial(_shots, protocol, seed)


def _shots(protocol: PromptProtocol, seed: int, key: TaskKey) -> Sequence[Shot]:
    if not protocol.shots:
        return ()
    examples = _examples(key.panel, protocol.shots + 1, seed, protocol.admissible)
    return [shot for task, shot in examples if task != key.task][: protocol.shots]


@functools.lru_cache(maxsize=64)
def _examples(panel: str, count: int, seed: int, list_actions: bool) -> tuple[Example, ...]:
    shown = get_panel(panel)
    source = get_suite(shown.suite).panel(shown.shots_from)
    return expert_episodes(source, count, seed, list_actions=list_actions)


def expert_episodes(
    panel: Panel, count: int, seed: int, *, list_actions: bool
) -> tuple[Example, ...]:
    """`count` episodes that the suite's expert won on a panel.

    Raises `CoTGapError` where the suite has no expert, or the expert wins too few of them.
    """
    env = get_suite(panel.suite).make(panel, list_actions=list_actions)
    if not isinstance(env, Expert):
        raise CoTGapError(
            f"suite {panel.suite!r} has no expert to take examples from; "
            "leave +shots out of --protocol"
        )
    tasks = list(panel.tasks)
    random.Random(seed).shuffle(tasks)
    examples: list[Example] = []
    for task in tasks:
        if len(examples) == count:
            break
        if (shot := _play(env, task.id)) is not None:
            examples.append((task.id, shot))
    env.close()
    if len(examples) < count:
        raise CoTGapError(f"{panel.name} has {len(examples)} examples; {count} are needed")
    return tuple(examples)


def _play(env: TextEnv, task: str) -> Shot | None:
    """The expert's episode, or None if it does not win."""
    assert isinstance(env, Expert)
    observation, info = env.reset(options={"task": task})
    turns, over = [], False
    while not over:
        action = env.expert_action()
        thought = env.rationale(action) if isinstance(env, Rationale) else ""
        turns.append((observation, action, thought, info.get("admissible_actions")))
        observation, _, terminated, truncated, info = env.step(action)
        over = terminated or truncated
    return Shot(turns) if info["won"] else None

"""Expert episodes that precede the conversation, for protocols with `+shots=k`."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import islice

from cotgap.agents.prompts import Shot
from cotgap.agents.protocol import PromptProtocol
from cotgap.envs.core import CoTGapError, Expert, Panel, TaskKey
from cotgap.envs.expert import ExpertGame, play_expert
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
    with closing(env):
        games = (play_expert(env, task.id) for task in tasks)
        examples = [*islice(((g.key.task, _shot(g)) for g in games if g.won), count)]
    if len(examples) < count:
        raise CoTGapError(f"{panel.name} has {len(examples)} examples; {count} are needed")
    return tuple(examples)


def _shot(game: ExpertGame) -> Shot:
    return Shot([(s.observation, s.action, s.thought, s.admissible) for s in game.steps])

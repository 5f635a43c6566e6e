"""Expert episodes that precede the conversation, for protocols with `+shots=k`."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Sequence

from agents.prompts import Shot
from agents.protocol import PromptProtocol
from envs.core import CoTGapError, Expert, Rationale, TaskKey
from envs.registry import get_suite

TRAIN = "train"  # the panel that examples are taken from


def shot_source(protocol: PromptProtocol, seed: int) -> Callable[[TaskKey], Sequence[Shot]]:
    """The examples shown before a task: the same for all tasks of a suite, chosen by `seed`."""

    @functools.cache
    def of_suite(suite: str) -> tuple[Shot, ...]:
        return expert_episodes(suite, protocol.shots, seed)

    return lambda key: of_suite(key.suite) if protocol.shots else ()


def expert_episodes(suite_name: str, count: int, seed: int) -> tuple[Shot, ...]:
    """`count` episodes that the suite's expert won on its train panel.

    Raises `CoTGapError` where the suite has no expert or no train panel, or the expert wins too
    few of them.
    """
    suite = get_suite(suite_name)
    if TRAIN not in suite.panels:
        raise CoTGapError(
            f"suite {suite_name!r} has no {TRAIN!r} panel to take examples from; "
            "leave +shots out of --protocol"
        )
    env = suite.make(suite.panels[TRAIN])
    if not isinstance(env, Expert):
        raise CoTGapError(
            f"suite {suite_name!r} has no expert to take examples from; "
            "leave +shots out of --protocol"
        )
    tasks = list(env.panel.tasks)
    random.Random(seed).shuffle(tasks)
    shots: list[Shot] = []
    for task in tasks:
        if len(shots) == count:
            break
        observation, info = env.reset(seed=0, options={"task": task.id})
        turns, over = [], False
        while not over:
            action = env.expert_action()
            thought = env.rationale(action) if isinstance(env, Rationale) else ""
            admissible = info.get("admissible_actions")
            turns.append((observation, action, thought, admissible))
            observation, _, terminated, truncated, info = env.step(action)
            over = terminated or truncated
        if info["won"]:
            shots.append(Shot(turns))
    env.close()
    if len(shots) < count:
        raise CoTGapError(
            f"only {len(shots)} expert examples in {suite_name}/{TRAIN}; {count} asked"
        )
    return tuple(shots)

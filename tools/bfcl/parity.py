"""Compares our BFCL with the package's own harness: texts and verdicts must be the same.

The package keeps instances and shared records in module globals, so a task's result may depend on
the tasks before it. Therefore its modules are imported afresh for each task.
"""

from __future__ import annotations

import decimal
import importlib
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from cotgap.envs.bfcl.backend import Turns, official, truth_calls
from cotgap.envs.bfcl.calls import Call, render
from cotgap.envs.bfcl.data import Item, load_item
from cotgap.envs.bfcl.env import BFCLEnv
from cotgap.envs.bfcl.suite import SUITE
from cotgap.envs.core import Panel

ROOT = "bfcl_eval.eval_checker.multi_turn_eval"
# Functions without effect or required argument, one of each backend that has any.
HARMLESS = (
    "pwd",
    "ls",
    "list_users",
    "get_current_time",
    "get_user_tickets",
    "posting_get_login_status",
    "travel_get_login_status",
    "displayCarStatus",
    "check_tire_pressure",
    "ticket_get_login_status",
    "message_get_login_status",
)


@dataclass(frozen=True, slots=True)
class WrittenCall:
    """A call as the package ships it (or a mutation changed it), and as we read it."""

    raw: str
    call: Call


Conversation = list[list[list[WrittenCall]]]  # by turn, step, and order within the step


@contextmanager
def fresh(module: str) -> Iterator[ModuleType]:
    """A module of the package that shares no state with any other import of it."""
    mpmath = official().mpmath
    ours = {name: one for name, one in sys.modules.items() if name.startswith("bfcl_eval")}
    for name in ours:
        del sys.modules[name]
    try:
        with decimal.localcontext(decimal.Context()), mpmath.workdps(mpmath.mp.dps):
            yield importlib.import_module(f"{ROOT}.{module}")
    finally:
        for name in [name for name in sys.modules if name.startswith("bfcl_eval")]:
            del sys.modules[name]
        sys.modules.update(ours)


def package_verdict(item: Item, turns: Turns) -> bool:
    """What the package's checker says of these call strings, as its runner would ask it."""
    decoded = [[list(step) for step in turn] for turn in turns]
    truth = [list(turn) for turn in item.truth]
    category = str(item.entry["id"]).rpartition("_")[0]
    with fresh("multi_turn_checker") as checker:
        entry = dict(item.entry)
        return bool(checker.multi_turn_checker(decoded, truth, entry, category, "m")["valid"])


def package_texts(item: Item, turns: Turns) -> list[str]:
    """What the package prints for each call, in order."""
    texts: list[str] = []
    with fresh("multi_turn_utils") as executor:
        for turn in turns:
            for step in turn:
                results, _ = executor.execute_multi_turn_func_call(
                    list(step),
                    item.entry["initial_config"],
                    list(item.classes),
                    "m",
                    item.entry["id"],
                    long_context=item.long_context,
                )
                texts += results
    return texts


def play(env: BFCLEnv, task: str, turns: Conversation) -> tuple[bool, list[str]]:
    """(won, the observation after each step) of these calls in our environment."""
    env.reset(options={"task": task})
    texts = []
    for turn in turns:
        for step in turn:
            texts.append(env.step(render(one.call for one in step))[0])
        *_, info = env.step("[]")
    return bool(info["won"]), texts


def raw(turns: Conversation) -> list[list[list[str]]]:
    """The calls as the package gets them."""
    return [[[one.raw for one in step] for step in turn] for turn in turns]


def ground_truth(item: Item) -> Conversation:
    """The ground truth, each turn's calls in one step (so that no turn has too many)."""
    turns = []
    for turn, texts in enumerate(item.truth):
        calls = truth_calls(item, turn)
        step = [WrittenCall(text, call) for text, call in zip(texts, calls, strict=True)]
        turns.append([step] if step else [])
    return turns


@dataclass(frozen=True, slots=True)
class Replay:
    """Both verdicts on a ground truth, and whether all texts were the same."""

    task: str
    ours: bool
    package: bool
    same_texts: bool


def replay(panel: Panel, count: int | None = None) -> Iterator[Replay]:
    """Play the ground truths of a panel's first `count` tasks here and in the package."""
    env = SUITE.make(panel)
    for task in panel.tasks[:count]:
        item = load_item(panel, task)
        turns = ground_truth(item)
        won, texts = play(env, task.id, turns)
        expected = "\n".join(package_texts(item, raw(turns)))
        package = package_verdict(item, raw(turns))
        yield Replay(task.id, won, package, "\n".join(texts) == expected)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Both verdicts on one mutated sequence."""

    task: str
    mutation: str
    ours: bool
    package: bool


def compare(panel: Panel, count: int, seed: int = 0) -> Iterator[Verdicts]:
    """Both verdicts on `count` mutations of a panel's ground truths, of all kinds in turn."""
    env = SUITE.make(panel)
    dice = random.Random(seed)
    kinds = list(MUTATIONS)
    for number in range(count):
        task = panel.tasks[number % len(panel)]
        kind = kinds[number % len(kinds)]
        item = load_item(panel, task)
        turns = ground_truth(item)
        MUTATIONS[kind](turns, item, dice)
        won, _ = play(env, task.id, turns)
        yield Verdicts(task.id, kind, won, package_verdict(item, raw(turns)))


def _place(
    turns: Conversation, dice: random.Random, *, named: bool = False
) -> tuple[list[WrittenCall], int]:
    """The step and position of a random call; with `named`, of one with arguments if any has."""
    places = [(step, index) for turn in turns for step in turn for index in range(len(step))]
    fitting = [(step, index) for step, index in places if step[index].call.named]
    return dice.choice(fitting if named and fitting else places)


def _drop(turns: Conversation, item: Item, dice: random.Random) -> None:
    step, index = _place(turns, dice)
    del step[index]
    for turn in turns:
        turn[:] = [step for step in turn if step]


def _reorder(turns: Conversation, item: Item, dice: random.Random) -> None:
    (one, i), (other, j) = _place(turns, dice), _place(turns, dice)
    one[i], other[j] = other[j], one[i]


def _shuffle(turns: Conversation, item: Item, dice: random.Random) -> None:
    step, _ = _place(turns, dice)
    dice.shuffle(step)


def _duplicate(turns: Conversation, item: Item, dice: random.Random) -> None:
    step, index = _place(turns, dice)
    step.insert(index, step[index])


def _split(turns: Conversation, item: Item, dice: random.Random) -> None:
    """Make a step of each call, in turns of at most 20 calls; this never matters."""
    for turn in turns:
        if turn and len(turn[0]) <= 20:
            turn[:] = [[one] for one in turn[0]]


def _delay(turns: Conversation, item: Item, dice: random.Random) -> None:
    """Make a turn's calls one turn later."""
    index = dice.randrange(len(turns))
    later = min(index + 1, len(turns) - 1)
    turns[index], turns[later] = [], turns[index] + turns[later]


def _wrong_argument(turns: Conversation, item: Item, dice: random.Random) -> None:
    step, index = _place(turns, dice, named=True)
    call = step[index].call
    name = dice.choice(list(call.named))
    changed = Call(call.name, {**call.named, name: _other(call.named[name])})
    step[index] = WrittenCall(str(changed), changed)


def _missing_argument(turns: Conversation, item: Item, dice: random.Random) -> None:
    step, index = _place(turns, dice, named=True)
    call = step[index].call
    changed = Call(call.name, dict(list(call.named.items())[1:]))
    step[index] = WrittenCall(str(changed), changed)


def _extra(turns: Conversation, item: Item, dice: random.Random) -> None:
    """Add a call without effect. It may matter only in a turn that should have no calls."""
    known = [name for name in HARMLESS if name in item.documented]
    if not known:
        return
    call = Call(dice.choice(known), {})
    dice.choice(turns).append([WrittenCall(str(call), call)])


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    return f"{value} (it's \\ other)" if isinstance(value, str) else None


MUTATIONS: dict[str, Callable[[Conversation, Item, random.Random], None]] = {
    "drop": _drop,
    "reorder": _reorder,
    "shuffle": _shuffle,
    "duplicate": _duplicate,
    "split": _split,
    "delay": _delay,
    "wrong argument": _wrong_argument,
    "missing argument": _missing_argument,
    "extra call": _extra,
}

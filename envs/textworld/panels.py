"""What the panels hold: their sizes, settings and axes, and the list of their games.

`games.tsv` lists every game: what it is made from, and its content hash. `python -m
tools.textworld` writes it from the plans here.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from cotgap.envs.core import Task
from cotgap.envs.textworld.making import Settings, Spec

GAMES = Path(__file__).with_name("games.tsv")
TRAIN = "train"


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of `games.tsv`: a task, what it is made from, and what is known of it."""

    split: str
    task: Task
    spec: Spec
    max_score: int
    walkthrough: int
    """Length of TextWorld's own walkthrough."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A panel to draw: `kinds` maps a kind of game to (number of games, settings of the nth one).

    `step_limit` is at least twice the longest walkthrough, which leaves room to explore and to err.
    `holds_out` is what `train` does not have; empty: nothing.
    """

    step_limit: int
    description: str
    kinds: Mapping[str, tuple[int, Callable[[int], Settings]]]
    holds_out: str = ""


def _cooking(*, recipes: tuple[int, ...], rooms: int = 6, split: str = "train") -> Any:
    """Settings for cooking in three ways (cook, cut, both) with every length of recipe."""

    def settings(n: int) -> Settings:
        return {
            "recipe": recipes[n // 3 % len(recipes)],
            "go": rooms,
            "cook": n % 3 != 1,
            "cut": n % 3 != 0,
            "split": split,
        }

    return settings


def _long_cooking(n: int) -> Settings:
    return {"recipe": 4 + n % 2, "go": 6, "cook": True, "cut": True, "split": "train"}


def _coin(*lengths: int) -> Any:
    return lambda n: {"length": lengths[n % len(lengths)]}


def _treasure(rooms: int, *lengths: int) -> Any:
    return lambda n: {"rooms": rooms, "length": lengths[n % len(lengths)]}


def _in_domain(each: int) -> dict[str, tuple[int, Callable[[int], Settings]]]:
    return {
        "cooking": (each, _cooking(recipes=(1, 2))),
        "coin_collector": (each, _coin(2, 3, 4, 5)),
        "treasure_hunter": (each, _treasure(5, 2, 3, 4, 5)),
        "simple": (each, lambda n: {"test": False}),
    }


PLANS: dict[str, Plan] = {
    "id": Plan(
        50,
        "in-domain: worlds of 4 to 10 rooms, recipes of 1 or 2 ingredients",
        _in_domain(30),
    ),
    "ood_rooms": Plan(
        100,
        "OOD (rooms): the same games in worlds of 12 to 24 rooms instead of 4 to 10",
        {
            "cooking": (36, _cooking(recipes=(1, 2), rooms=12)),
            "coin_collector": (36, _coin(9, 10, 11, 12)),
            "treasure_hunter": (36, _treasure(14, 5, 6, 7, 8)),
        },
        holds_out="rooms",
    ),
    "ood_recipe": Plan(
        100,
        "OOD (recipe): 4 or 5 ingredients, each to be cut and cooked",
        {"cooking": (100, _long_cooking)},
        holds_out="recipe",
    ),
    "ood_ingredient": Plan(
        50,
        "OOD (ingredient): foods that no other panel holds",
        {
            "cooking": (60, _cooking(recipes=(1, 2), split="")),
            "simple": (40, lambda n: {"test": True}),
        },
        holds_out="ingredient",
    ),
    "ood_goal": Plan(
        50,
        "OOD (goal): random quests that end by opening, closing, locking, inserting or dropping",
        {"custom": (100, lambda n: {"rooms": 5, "objects": 10, "length": 3 + n % 3})},
        holds_out="goal",
    ),
    TRAIN: Plan(
        50,
        "for examples and training; in-domain, disjoint from `id`",
        _in_domain(50),
    ),
}


@functools.cache
def listed() -> Mapping[tuple[str, str], Listed]:
    """(split, task id) → its line, panel by panel and in panel order."""
    lines = map(_read, GAMES.read_text(encoding="ascii").splitlines())
    return {(game.split, game.task.id): game for game in lines}


def games_of(split: str) -> list[Listed]:
    """A panel's games, kinds in turn, so that the first n are a fair sample."""
    kinds: dict[str, list[Listed]] = {}
    for game in listed().values():
        if game.split == split:
            kinds.setdefault(game.task.kind, []).append(game)
    return [game for row in zip_longest(*kinds.values()) for game in row if game is not None]


def _read(line: str) -> Listed:
    split, task_id, kind, seed, settings, score, walkthrough, content = line.split("\t")
    spec = Spec(kind, int(seed), json.loads(settings))
    return Listed(split, Task(task_id, content, kind), spec, int(score), int(walkthrough))

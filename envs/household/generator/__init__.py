"""Endless household games in ALFWorld's format, drawn by seed, each certified solvable.

`generate("train", 7)` is the same game on every machine; `games("train")` never ends. Every
game is certified by the exact oracle. To play them as an environment, start any seed's task:

    env = envs.get_suite("household").make(envs.get_panel("household/train"))
    env.reset(options={"task": task_id(seed)})

`cotgap games export household/id DIR` writes games as files that the stock engine plays.

No training game is a game of another panel. A game is for `train` if and only if the SHA-256 of its
`pddl_problem` (the house, what is where, the goal) begins with an odd hexadecimal digit; a game in
the wrong half is drawn again. So no seed of `train` gives a game of another panel, not even with
other numbers on its objects or another sentence for its task.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Final

from cotgap.envs.core import CoTGapError, UnknownNameError
from cotgap.envs.household.engine import World
from cotgap.envs.household.game import Game, make_game
from cotgap.envs.household.generator.axes import AXES
from cotgap.envs.household.generator.draw import Dice, Draft, draw
from cotgap.envs.household.generator.problem import problem, sentence
from cotgap.envs.household.oracle import cost_to_go
from cotgap.envs.household.wording import ALL_WORDINGS

__all__ = ["AXES", "TRAIN", "Generated", "games", "generate", "seed_of", "task_id"]

TRAIN: Final = "train"


@dataclass(frozen=True, slots=True, eq=False)
class Generated:
    """A generated game, certified solvable."""

    axis: str
    seed: int
    draft: Draft
    problem: str
    """The game's `pddl_problem`, from which `game` was made."""
    game: Game
    oracle: int
    """The fewest commands to the goal."""

    @property
    def task_id(self) -> str:
        """Its id in the axis' panel."""
        return task_id(self.seed)

    @property
    def kind(self) -> str:
        """ALFWorld's name of the task type."""
        return self.draft.kind.name

    @property
    def receptacles(self) -> int:
        """How many receptacles there are."""
        return len(self.draft.receptacles)


def task_id(seed: int) -> str:
    """The id of a seed's game: the seed in six digits or more."""
    return f"{seed:06d}"


def seed_of(task: str) -> int | None:
    """The seed of a task id; None for what is not one."""
    if not (task.isascii() and task.isdigit()) or len(task) > 18:
        return None
    seed = int(task)
    return seed if task_id(seed) == task else None


@lru_cache(maxsize=512)
def generate(axis: str, seed: int) -> Generated:
    """The game of a seed (0, 1, 2, …) along an axis, in the axis' wording.

    The 512 games used last are kept in memory. Raises `UnknownNameError` for an unknown axis,
    `CoTGapError` for a negative seed.
    """
    if axis not in AXES:
        raise UnknownNameError("axis", axis, AXES)
    if seed < 0:
        raise CoTGapError(f"bad seed {seed}: seeds are 0, 1, 2, …")
    settings = AXES[axis]
    dice = Dice(f"household/{settings.seeds or axis}/{seed}")
    kind = settings.kinds[seed % len(settings.kinds)]
    while True:
        draft = draw(settings, kind, dice)
        text = problem(draft)
        if _is_for_training(text) is (axis == TRAIN):
            break
    wording = ALL_WORDINGS[settings.wording]
    label = f"household/{axis}/{task_id(seed)}"
    game = make_game(text, sentence(draft, wording), wording.name, label)
    oracle = cost_to_go(World(game))
    if not oracle:
        raise AssertionError(f"{label} is not a solvable game")
    return Generated(axis, seed, draft, text, game, oracle)


def games(axis: str = TRAIN, start: int = 0) -> Iterator[Generated]:
    """The games of an axis from seed `start` on, without end."""
    return (generate(axis, seed) for seed in itertools.count(start))


def _is_for_training(text: str) -> bool:
    return int(sha256(text.encode()).hexdigest()[0], 16) % 2 == 1

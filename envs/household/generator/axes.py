"""The axes along which games are generated: each changes one thing against `id`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cotgap.envs.household.generator.tables import CLEAN, COOL, HEAT, LOOK, PLACE, TWO, Kind

TRAINED: Final = (PLACE, CLEAN, HEAT, LOOK)
HELD_OUT: Final = (COOL, TWO)


@dataclass(frozen=True, slots=True)
class Axis:
    """What the games of an axis are drawn from; the defaults are those of `id`."""

    description: str
    holds_out: str = ""
    """What is unlike in `train`; empty: nothing."""
    kinds: tuple[Kind, ...] = TRAINED
    """The task types, in turns: seed `n` has kind `n mod len(kinds)`."""
    receptacles: tuple[int, int] = (6, 10)
    """The fewest and the most receptacles of a house; all numbers in between are equally likely."""
    unusual: bool = False
    """Whether every plan needs a receptacle that such rooms have in `ood_layout` only."""
    held_out_object: bool = False
    """Whether the task is about an object of a held-out type."""
    large: bool = False
    """Whether rooms are those of large houses, with what the task needs in closed receptacles."""
    wording: str = "current"
    step_limit: int = 50
    seeds: str = ""
    """The axis whose worlds are played in another wording; "" for worlds of its own."""


AXES: Final[dict[str, Axis]] = {
    "id": Axis("in-domain: four task types in rooms as in `train`, other games"),
    "ood_layout": Axis(
        "OOD (layout): receptacles in rooms that never have them in `train`",
        holds_out="layout",
        unusual=True,
    ),
    "ood_object": Axis(
        "OOD (object): tasks about object types that `train` never has",
        holds_out="object",
        held_out_object=True,
    ),
    "ood_task": Axis(
        "OOD (task): cool & place and pick two, which `train` never asks for",
        holds_out="task",
        kinds=HELD_OUT,
    ),
    "ood_wording": Axis(
        "OOD (wording): the games of `id` in other verbs and sentences",
        holds_out="wording",
        wording="rephrased",
        seeds="id",
    ),
    "ood_horizon": Axis(
        "OOD (horizon): 14 to 20 receptacles, longer plans",
        holds_out="horizon",
        receptacles=(14, 20),
        large=True,
        step_limit=100,
    ),
    "train": Axis("for training and examples: place, clean, heat, look; any seed is a game"),
}
"""In panel order. `train` and `id` are drawn alike, from disjoint halves of all games."""

"""Where things are usually found and kept, counted over ALFWorld's training games.

`python -m tools.household.habits` counts again and writes `habits.json`. No validation game is
read. Names are classes: "mug", not "mug 2".
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

FILE: Final = Path(__file__).with_name("habits.json")


class Habits(NamedTuple):
    """Tables of household common sense."""

    found: dict[str, dict[str, float]]
    """Object → receptacle → share of such receptacles, in rooms that have the object, with one."""
    fits: dict[str, list[str]]
    """Receptacle → the objects that can be put there."""
    openable: dict[str, float]
    """Receptacle → share of those that can be opened and closed; 0 for one that is not listed."""


@cache
def habits() -> Habits:
    """The tables in `habits.json`."""
    return Habits(**json.loads(FILE.read_text(encoding="utf-8")))


def class_of(name: str) -> str:
    """The class of a name: "mug" for "mug 2"."""
    name = name.strip()
    head, _, number = name.rpartition(" ")
    return head if head and number.isdigit() else name

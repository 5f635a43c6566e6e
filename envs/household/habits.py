"""Where things are usually found and kept, counted over ALFWorld's training games.

`python -m envs.household.habits --data DIR` counts again and writes `habits.json`; DIR holds
`json_2.1.1/train`. No validation game is read. Names are classes: "mug", not "mug 2".
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from envs.household.game import Game, load_game, members

_FILE: Final = Path(__file__).parent / "habits.json"


class Habits(NamedTuple):
    """Tables of household common sense."""

    found: dict[str, dict[str, float]]
    """Object → receptacle → share of such receptacles, in rooms that have the object, with one."""
    fits: dict[str, list[str]]
    """Receptacle → the objects that can be put there."""
    openable: dict[str, float]
    """Receptacle → share of those that can be opened and closed. None can that is not listed."""


@cache
def habits() -> Habits:
    """The tables in `habits.json`."""
    return Habits(**json.loads(_FILE.read_text(encoding="utf-8")))


def class_of(name: str) -> str:
    """ "mug 2" → "mug"."""
    name = name.strip()
    head, _, number = name.rpartition(" ")
    return head if head and number.isdigit() else name


def count(games: Iterable[Game]) -> Habits:
    """Count the tables over games."""
    held: defaultdict[str, Counter[str]] = defaultdict(Counter)
    possible: defaultdict[str, Counter[str]] = defaultdict(Counter)
    fits: defaultdict[str, set[str]] = defaultdict(set)
    total: Counter[str] = Counter()
    openable: Counter[str] = Counter()
    for game in games:
        objects = [class_of(name) for name in game.object_names]
        receptacles = [class_of(name) for name in game.receptacle_names]
        inside = [{objects[o] for o in contents} for contents in game.initial.contents]
        total.update(receptacles)
        openable.update(receptacles[r] for r in members(game.openable))
        for r, name in enumerate(receptacles):
            fits[name].update(objects[o] for o in members(game.accepts[r] & game.pickupable))
        for obj in set().union(*inside):
            possible[obj].update(receptacles)
            held[obj].update(receptacles[r] for r, here in enumerate(inside) if obj in here)
    return Habits(
        found={
            obj: {r: round(n / possible[obj][r], 4) for r, n in sorted(held[obj].items())}
            for obj in sorted(held)
        },
        fits={name: sorted(fits[name]) for name in sorted(fits)},
        openable={name: round(n / total[name], 2) for name, n in sorted(openable.items())},
    )


def main() -> None:
    """Write `habits.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with json_2.1.1/train")
    train: Path = parser.parse_args().data / "json_2.1.1" / "train"
    tables = count(load_game(path) for path in sorted(train.glob("*/*/game.tw-pddl")))
    text = json.dumps(tables._asdict(), indent=0, separators=(",", ":"))
    _FILE.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""`python -m cotgap.envs.household.habits --data DIR`: count the tables over the training games."""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from cotgap.envs.household.game import Game, load_game, members
from cotgap.envs.household.habits import FILE, Habits, class_of


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
    FILE.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

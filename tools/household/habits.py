"""Rewrites the tables of household common sense, counted over ALFWorld's training games."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable

import typer

from cotgap.envs.household.game import Game, load_game, members
from cotgap.envs.household.habits import FILE, Habits, class_of
from tools.cli import run
from tools.household.data import Data, games, need_games

app = typer.Typer(add_completion=False)


def count(houses: Iterable[Game]) -> Habits:
    """Count the tables over games."""
    held: defaultdict[str, Counter[str]] = defaultdict(Counter)
    possible: defaultdict[str, Counter[str]] = defaultdict(Counter)
    fits: defaultdict[str, set[str]] = defaultdict(set)
    total: Counter[str] = Counter()
    openable: Counter[str] = Counter()
    for game in houses:
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


@app.command(epilog="Example: `python -m tools.household.habits`")
def main(data: Data) -> None:
    """Count over the training games and write `habits.json`; no validation game is read."""
    paths = list(games(data / "train"))
    need_games(paths, data / "train")
    tables = count(map(load_game, paths))
    text = json.dumps(tables._asdict(), indent=0, separators=(",", ":"))
    FILE.write_text(text + "\n", encoding="utf-8")
    print(f"{FILE.name}: counted over {len(paths):,} games")


if __name__ == "__main__":
    run(app)

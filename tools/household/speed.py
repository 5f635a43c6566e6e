"""Compares our household engine's speed with the stock one's, and measures its memory.

Both play the same games in the same process, one after the other, with the same commands. Times are
processor time, which other work on the machine hardly changes. Memory is measured over many resets
of distinct games, with the bounded cache of loaded games in use.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated

import typer

from cotgap.envs.household.engine import World
from cotgap.envs.household.game import cached_game, load_game
from tools.cli import run
from tools.household.data import Data, games, need_games
from tools.household.parity import PANELS, sample
from tools.household.stock import StockGame

app = typer.Typer(add_completion=False)


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of processor time that one engine takes in one game."""

    load_and_reset: float
    warm_reset: float
    step: float
    """One command and the list of admissible commands after it, mean over a walk."""


def walk(path: Path, count: int) -> list[str]:
    """A fixed list of valid commands: the walkthrough, then random ones."""
    world, rng = World(load_game(path)), random.Random(path.parent.name)
    commands: list[str] = []
    for due in islice((*(world.game.walkthrough or ()), *[None] * count), count):
        commands.append(due or rng.choice(world.admissible()))
        world.step(commands[-1])
    return commands


def time_stock(path: Path, commands: Sequence[str]) -> Timing:
    """Time the stock engine in one game; its steps always make the admissible list."""
    start = time.process_time()
    game = StockGame(json.loads(path.read_text(encoding="utf-8")))
    game.reset()
    loaded = time.process_time()
    game.reset()
    reset = time.process_time()
    for command in commands:
        game.step(command)
    end = time.process_time()
    return Timing(loaded - start, reset - loaded, (end - reset) / len(commands))


def time_ours(path: Path, commands: Sequence[str], repeats: int = 20) -> Timing:
    """Time our engine in one game: the median of `repeats` measurements of each."""

    def load_and_reset() -> None:
        World(load_game(path)).reset()

    world = World(load_game(path))

    def play() -> None:
        for command in commands:
            world.step(command)
            world.admissible()

    loads, resets, plays = [], [], []
    for _ in range(repeats):
        loads.append(_seconds(load_and_reset))
        resets.append(_seconds(world.reset))
        plays.append(_seconds(play))
    return Timing(
        statistics.median(loads),
        statistics.median(resets),
        statistics.median(plays) / len(commands),
    )


def time_both(path: Path) -> tuple[Timing, Timing]:
    """(stock, ours) in one game."""
    commands = walk(path, 25)
    return time_stock(path, commands), time_ours(path, commands)


def memory_growth(paths: Sequence[Path], resets: int) -> float:
    """MB by which resident memory grows after the first pass over `paths`, up to `resets`."""
    for path in paths:
        World(cached_game(path)).reset()
    before = resident()
    for path in islice(cycle(paths), max(0, resets - len(paths))):
        World(cached_game(path)).reset()
    return resident() - before


def resident() -> float:
    """Resident memory of this process in MB (its peak, where there is no /proc)."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * resource.getpagesize() / 2**20
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 2 ** (20 if sys.platform == "darwin" else 10)


def _seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


@app.command(epilog="Example: `python -m tools.household.speed --games 12`")
def main(
    data: Data,
    count: Annotated[int, typer.Option("--games", help="How many are timed.", min=1)] = 6,
    resets: Annotated[int, typer.Option(help="Resets over which memory is measured.")] = 10_000,
) -> None:
    """Print the ratios of both engines' processor times, and how memory grows."""
    paths = sample([path for panel in PANELS for path in games(data / panel)], count)
    need_games(paths, data)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        pairs = pool.map(time_both, paths)
    print(
        f"{'median over ' + str(len(pairs)) + ' games':24} {'stock':>12} {'ours':>12} {'ratio':>9}"
    )
    for name in Timing.__slots__:
        stock, ours = (statistics.median(getattr(pair[k], name) for pair in pairs) for k in (0, 1))
        label = name.replace("_", " ") + (" + admissible" if name == "step" else "")
        print(f"{label:24} {stock * 1e3:9.2f} ms {ours * 1e6:9.1f} us {stock / ours:8,.0f}x")
    distinct = list(games(data))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        growth = pool.apply(memory_growth, (distinct, resets))
    print(
        f"memory: {growth:+.2f} MB from reset {len(distinct)} to reset {resets}, "
        f"over {len(distinct)} distinct games"
    )


if __name__ == "__main__":
    run(app)

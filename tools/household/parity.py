"""Compares our household engine with the stock one.

Every game is played in both, command by command. After the reset and after each command, the text,
the admissible list in order, won, score and moves must be the same. A process plays at most 50
games, because the stock engine keeps memory for each.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from cotgap.envs.core import CoTGapError, UnknownNameError
from cotgap.envs.household.engine import World
from cotgap.envs.household.game import load_game
from cotgap.envs.household.rules import Rules
from cotgap.envs.household.wording import WORDINGS
from tools import cli
from tools.household.data import Data, games, need_games
from tools.household.drivers import DRIVERS
from tools.household.stock import Seen, StockGame, find_rules, memoise

app = typer.Typer(add_completion=False)

PANELS = ("valid_seen", "valid_unseen")
_GAMES_PER_PROCESS = 50


@dataclass(frozen=True, slots=True)
class GameCheck:
    """One game to be played in both engines under a revision's rules, once with each driver."""

    path: Path
    rules: Rules
    revision: str
    drivers: tuple[str, ...]
    steps: int


@dataclass(slots=True)
class Tally:
    """How much was compared, and the first mismatches of each episode."""

    steps: int = 0
    episodes: int = 0
    won: int = 0
    """Episodes that were won at some step."""
    mismatches: list[tuple[str, str]] = field(default_factory=list)
    """(kind of mismatch, where and what)."""


def ours(world: World, text: str) -> Seen:
    """What our engine shows after a reset or step that returned `text`."""
    return Seen(text, tuple(world.admissible()), world.won, world.score, world.moves)


def compare(check: GameCheck) -> Tally:
    """Play one game in both engines."""
    memoise()
    tally = Tally()
    data = json.loads(check.path.read_text(encoding="utf-8"))
    label = f"{check.path} ({check.revision})"
    try:
        stock = StockGame(check.rules.game(data))
    except Exception as error:
        tally.mismatches.append(("stock cannot load", f"{label}: {error!r}"))
        return tally
    # Our engine plays the file in the revision's wording, so the rewording is checked as well.
    world = World(load_game(data, check.revision))
    for driver in check.drivers:
        rng = random.Random(f"{check.path.parent.name}/{check.revision}/{driver}")
        tally.episodes += 1
        won = False
        for command, theirs, own in _play(stock, world, driver, rng, check.steps):
            tally.steps += command is not None
            won = won or own.won
            wrong = differences(theirs, own)
            if wrong:
                verb = (command or "reset").split()[:1]
                where = f"{label}, {driver}, {command!r}: "
                tally.mismatches += [
                    (f"{name} after {' '.join(verb) or 'blank'}", where + what)
                    for name, what in wrong
                ]
                break
        tally.won += won
    return tally


def _play(
    stock: StockGame, world: World, driver: str, rng: random.Random, steps: int
) -> Iterator[tuple[str | None, Seen, Seen]]:
    text = world.reset()
    yield None, stock.reset(), ours(world, text)
    for command in islice(DRIVERS[driver](world, rng), steps):
        theirs = stock.step(command)
        yield command, theirs, ours(world, world.step(command))


def differences(stock: Seen, own: Seen) -> list[tuple[str, str]]:
    """(name of the field, both values) for each field that is not the same."""
    wrong = []
    for name in Seen.__slots__:
        left, right = getattr(stock, name), getattr(own, name)
        if left != right:
            if name == "admissible":
                left, right = sorted(set(left) - set(right)), sorted(set(right) - set(left))
            wrong.append((name, f"stock {left!r}, ours {right!r}"))
    return wrong


def select(spec: Sequence[str], data: Path) -> list[Path]:
    """The games of a `--games` argument: all, panels, a number, files or folders.

    A number N takes N training games, spread evenly over the task types and otherwise fixed by a
    hash of their names, so that every machine takes the same.
    """
    if list(spec) == ["all"]:
        return list(games(data))
    if list(spec) == ["panels"]:
        return [path for panel in PANELS for path in games(data / panel)]
    if len(spec) == 1 and spec[0].isdigit():
        return sample(list(games(data / "train")), int(spec[0]))
    paths = [Path(item) for item in spec]
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise CoTGapError(f"--games: no such file or folder: {missing[0]}")
    return [game for path in paths for game in (games(path) if path.is_dir() else [path])]


def sample(paths: Sequence[Path], count: int) -> list[Path]:
    """`count` games, by task type in turns, chosen by a hash of their names."""

    def digest(path: Path) -> str:
        return hashlib.sha256("/".join(path.parts[-3:-1]).encode()).hexdigest()

    by_type: dict[str, list[Path]] = {}
    for path in sorted(paths, key=digest):
        by_type.setdefault(path.parts[-3].split("-")[0], []).append(path)
    turns = [(n, kind, path) for kind, own in by_type.items() for n, path in enumerate(own)]
    return [path for _, _, path in sorted(turns)[:count]]


def run(checks: Sequence[GameCheck], processes: int) -> tuple[Tally, float]:
    """Make all checks, showing progress; returns the total and the seconds it took."""
    total, start = Tally(), time.monotonic()
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, maxtasksperchild=_GAMES_PER_PROCESS) as pool:
        for done, tally in enumerate(pool.imap_unordered(compare, checks), 1):
            total.steps += tally.steps
            total.episodes += tally.episodes
            total.won += tally.won
            total.mismatches += tally.mismatches
            for kind, where in tally.mismatches:
                print(f"MISMATCH {kind}: {where}", flush=True)
            if done % 10 == 0 or done == len(checks):
                elapsed = time.monotonic() - start
                left = elapsed / done * (len(checks) - done)
                print(
                    f"{done}/{len(checks)} games x revisions, {total.steps} steps, "
                    f"{len(total.mismatches)} mismatches, {left / 60:.1f} min left",
                    flush=True,
                )
    return total, time.monotonic() - start


def report(total: Tally) -> str:
    """The mismatches by kind, with one example each, as a table."""
    counts = Counter(kind for kind, _ in total.mismatches)
    examples = dict(reversed(total.mismatches))
    lines = [f"{'mismatch':40} {'count':>6}  example"]
    lines += [f"{kind:40} {n:6}  {examples[kind][:200]}" for kind, n in counts.most_common()]
    lines.append(f"{'total':40} {len(total.mismatches):6}")
    return "\n".join(lines)


def check_walkthroughs(paths: Sequence[Path]) -> list[str]:
    """The games and wordings whose own walkthrough does not win in our engine."""
    failed = []
    for path in paths:
        for wording in WORDINGS:
            game = load_game(path, wording)
            world = World(game)
            if game.walkthrough is None:
                continue
            valid = [
                world.step(command) != game.wording.invalid_reply for command in game.walkthrough
            ]
            if not (all(valid) and world.won):
                failed.append(f"{path} ({wording})")
    return failed


EXAMPLES = """Examples:

    python -m tools.household.parity

    python -m tools.household.parity --games 20 --steps 60 --processes 4

    python -m tools.household.parity --games path/to/game.tw-pddl --driver hostile

    python -m tools.household.parity --games all --walkthroughs

Exit codes: 0 without mismatch, 1 with, 2 bad usage."""


@app.command(epilog=EXAMPLES)
def main(
    data: Data,
    chosen: Annotated[
        list[str] | None,
        typer.Option(
            "--games",
            help="panels, all, a number of training games, or a file or folder; repeat for "
            "several.",
            show_default="panels",
        ),
    ] = None,
    older: Annotated[
        Path | None,
        typer.Option(help="A folder with a game of the older wording, to compare that too."),
    ] = None,
    steps: Annotated[int, typer.Option(help="Commands per driver.", min=1)] = 60,
    revision: Annotated[
        list[str] | None,
        typer.Option(
            help=f"{', '.join(WORDINGS)}; repeat for several.", show_default="all at hand"
        ),
    ] = None,
    driver: Annotated[
        list[str] | None,
        typer.Option(help=f"{', '.join(DRIVERS)}; repeat for several.", show_default="all"),
    ] = None,
    processes: Annotated[int, typer.Option(help="Games compared at a time.", min=1)] = 1,
    walkthroughs: Annotated[
        bool,
        typer.Option(
            "--walkthroughs", help="Only check that each wins in our engine, in every wording."
        ),
    ] = False,
) -> None:
    """Play games in both engines, and print every mismatch."""
    paths = select(chosen or ["panels"], data)
    need_games(paths, data)
    if walkthroughs:
        failed = check_walkthroughs(paths)
        print("\n".join(failed) or f"all {len(paths)} walkthroughs win in every wording")
        raise typer.Exit(int(bool(failed)))
    rules = find_rules(data, older)
    revisions, drivers = revision or list(rules), tuple(driver or DRIVERS)
    for name in revisions:
        if name not in rules:
            raise UnknownNameError("revision", name, rules, "Others need --data or --older.")
    for name in drivers:
        if name not in DRIVERS:
            raise UnknownNameError("driver", name, DRIVERS)
    planned = [
        GameCheck(path, rules[name], name, drivers, steps) for path in paths for name in revisions
    ]
    total, seconds = run(planned, processes)
    print(report(total))
    print(
        f"{len(paths)} games x {len(revisions)} revisions ({', '.join(revisions)}), "
        f"{total.episodes} episodes ({total.won} won), {total.steps} steps, "
        f"drivers {', '.join(drivers)}, {seconds / 60:.1f} min"
    )
    raise typer.Exit(int(bool(total.mismatches)))


if __name__ == "__main__":
    cli.run(app)

"""Compares our engine with the stock one, live: `python -m cotgap.envs.household.parity --help`.

Every game is played in both, command by command, and after the reset and after each command the
text, the admissible list in order, won, score and moves must be the same. Games run in processes
that are replaced after 50 of them, as the stock engine keeps memory for each.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from cotgap.envs.core import CoTGapError
from cotgap.envs.household.drivers import DRIVERS
from cotgap.envs.household.engine import World
from cotgap.envs.household.game import load_game
from cotgap.envs.household.stock import Rules, Seen, StockGame, find_rules, games, memoise
from cotgap.envs.household.wording import WORDINGS

PANELS = ("valid_seen", "valid_unseen")
_GAMES_PER_PROCESS = 50


@dataclass(frozen=True, slots=True)
class Job:
    """One game to be compared under one revision's rules, with each driver from a reset."""

    path: Path
    rules: Rules
    revision: str
    drivers: tuple[str, ...]
    steps: int


@dataclass(slots=True)
class Outcome:
    """What a job compared: how much, and the first mismatches of each episode."""

    steps: int = 0
    episodes: int = 0
    won: int = 0
    """Episodes that were won at some step."""
    mismatches: list[tuple[str, str]] = field(default_factory=list)
    """(class, where and what)."""


def ours(world: World, text: str) -> Seen:
    """What our engine shows after a reset or step that returned `text`."""
    return Seen(text, tuple(world.admissible()), world.won, world.score, world.moves)


def compare(job: Job) -> Outcome:
    """Play one job in both engines."""
    memoise()
    outcome = Outcome()
    data = json.loads(job.path.read_text(encoding="utf-8"))
    label = f"{job.path} ({job.revision})"
    try:
        stock = StockGame(job.rules.game(data))
    except Exception as error:
        outcome.mismatches.append(("stock cannot load", f"{label}: {error!r}"))
        return outcome
    # Ours plays the file re-worded, so that this is checked along with the engine.
    world = World(load_game(data, job.revision))
    for driver in job.drivers:
        rng = random.Random(f"{job.path.parent.name}/{job.revision}/{driver}")
        outcome.episodes += 1
        won = False
        for command, theirs, own in _play(stock, world, driver, rng, job.steps):
            outcome.steps += command is not None
            won = won or own.won
            wrong = differences(theirs, own)
            if wrong:
                verb = (command or "reset").split()[:1]
                where = f"{label}, {driver}, {command!r}: "
                outcome.mismatches += [
                    (f"{name} after {' '.join(verb) or 'blank'}", where + what)
                    for name, what in wrong
                ]
                break
        outcome.won += won
    return outcome


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


def run(jobs: Sequence[Job], processes: int) -> tuple[Outcome, float]:
    """Compare all jobs, showing progress. Returns the total and the seconds it took."""
    total, start = Outcome(), time.monotonic()
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, maxtasksperchild=_GAMES_PER_PROCESS) as pool:
        for done, outcome in enumerate(pool.imap_unordered(compare, jobs), 1):
            total.steps += outcome.steps
            total.episodes += outcome.episodes
            total.won += outcome.won
            total.mismatches += outcome.mismatches
            for kind, where in outcome.mismatches:
                print(f"MISMATCH {kind}: {where}", flush=True)
            if done % 10 == 0 or done == len(jobs):
                elapsed = time.monotonic() - start
                left = elapsed / done * (len(jobs) - done)
                print(
                    f"{done}/{len(jobs)} games x revisions, {total.steps} steps, "
                    f"{len(total.mismatches)} mismatches, {left / 60:.1f} min left",
                    flush=True,
                )
    return total, time.monotonic() - start


def report(total: Outcome) -> str:
    """The mismatches by class, with one example each, as a table."""
    counts = Counter(kind for kind, _ in total.mismatches)
    examples = dict(reversed(total.mismatches))
    lines = [f"{'mismatch':40} {'count':>6}  example"]
    lines += [f"{kind:40} {n:6}  {examples[kind][:200]}" for kind, n in counts.most_common()]
    lines.append(f"{'total':40} {len(total.mismatches):6}")
    return "\n".join(lines)


def check_walkthroughs(paths: Sequence[Path]) -> list[str]:
    """The games whose own walkthrough does not win in our engine, in any wording."""
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


def default_data() -> Path:
    """`$ALFWORLD_DATA/json_2.1.1`, or where `alfworld-download` puts it."""
    root = os.environ.get("ALFWORLD_DATA", "~/.cache/alfworld")
    return Path(root).expanduser() / "json_2.1.1"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cotgap.envs.household.parity", description=__doc__
    )
    parser.add_argument(
        "--games",
        nargs="+",
        default=["panels"],
        metavar="G",
        help="all, panels, a number of training games, or files and folders (default: panels)",
    )
    parser.add_argument("--data", type=Path, default=default_data(), help="the folder json_2.1.1")
    parser.add_argument(
        "--older", type=Path, help="a folder with a game of the older wording, to compare that too"
    )
    parser.add_argument("--steps", type=int, default=60, help="commands per driver (default: 60)")
    parser.add_argument("--revisions", nargs="+", choices=WORDINGS, help="default: all at hand")
    parser.add_argument("--drivers", nargs="+", choices=DRIVERS, default=list(DRIVERS))
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    parser.add_argument(
        "--walkthroughs",
        action="store_true",
        help="only check that every walkthrough wins in our engine, in every wording",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 without mismatch, 1 with, 2 for a usage that cannot work."""
    options = _parser().parse_args(arguments)
    try:
        paths = select(options.games, options.data)
        if not paths:
            raise CoTGapError(f"no game.tw-pddl under {options.data}: run alfworld-download")
        if options.walkthroughs:
            failed = check_walkthroughs(paths)
            print("\n".join(failed) or f"all {len(paths)} walkthroughs win in every wording")
            return int(bool(failed))
        rules = find_rules(options.data, options.older)
        revisions = options.revisions or list(rules)
        absent = [name for name in revisions if name not in rules]
        if absent:
            raise CoTGapError(f"no rules of revision {absent[0]!r} at hand: see --data and --older")
    except CoTGapError as error:
        print(error, file=sys.stderr)
        return 2
    jobs = [
        Job(path, rules[name], name, tuple(options.drivers), options.steps)
        for path in paths
        for name in revisions
    ]
    total, seconds = run(jobs, options.jobs)
    print(report(total))
    print(
        f"{len(paths)} games x {len(revisions)} revisions ({', '.join(revisions)}), "
        f"{total.episodes} episodes ({total.won} won), {total.steps} steps, "
        f"drivers {', '.join(options.drivers)}, {seconds / 60:.1f} min"
    )
    return int(bool(total.mismatches))


if __name__ == "__main__":
    sys.exit(main())

"""Generates household games: as files for the stock engine, or to see how fast it goes."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from cotgap.envs.core import CoTGapError, UnknownNameError
from cotgap.envs.household.generator import AXES, TRAIN, games, generate
from cotgap.envs.household.generator.export import export
from cotgap.envs.household.generator.panels import FILE, SIZE, write
from cotgap.envs.household.wording import CURRENT, WORDINGS

_EXAMPLES = """\
examples:
  python -m cotgap.envs.household.generator --panel household/ood_layout --export games
  python -m cotgap.envs.household.generator --panel household/id --export games --limit 20
  python -m cotgap.envs.household.generator --panel household/train --export games --limit 5000
  python -m cotgap.envs.household.generator --bench 500

The files lie in games/json_2.1.1/<panel>/, as ALFWorld's own do; the extra `alfworld` must be
installed, as the files carry its rules. household/ood_wording exports the games of household/id:
files know the wordings of ALFWorld only.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cotgap.envs.household.generator",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--panel", metavar="NAME", help=f"one of {', '.join(map(_named, AXES))}")
    work = parser.add_mutually_exclusive_group(required=True)
    work.add_argument("--export", type=Path, metavar="DIR", help="write the panel's games to DIR")
    work.add_argument(
        "--bench", type=int, metavar="N", help="time N certified games of each panel (or of one)"
    )
    work.add_argument(
        "--rewrite", action="store_true", help=f"for maintainers: write {FILE.name} anew"
    )
    parser.add_argument(
        "--wording", choices=WORDINGS, default=CURRENT.name, help="default: %(default)s"
    )
    parser.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help=f"the first N games (default: {SIZE}, the whole panel; train has no end)",
    )
    return parser


def _named(axis: str) -> str:
    return f"household/{axis}"


def _axis(panel: str) -> str:
    axis = panel.removeprefix(_named(""))
    if axis not in AXES:
        raise UnknownNameError("panel", panel, map(_named, AXES))
    return axis


def export_panel(axis: str, folder: Path, wording: str, limit: int | None) -> int:
    """Write a panel's first games; returns how many. Raises `CoTGapError`."""
    count = SIZE if limit is None else limit
    if count < 1 or (count > SIZE and axis != TRAIN):
        raise CoTGapError(f"bad --limit {count}: {_named(axis)} has 1 to {SIZE} games")
    for game in islice(games(axis), count):
        export(game, folder, wording)
    return count


def bench(axes: Sequence[str], count: int) -> str:
    """A table of processor times per certified game, caches cold."""
    lines = [f"{'panel':<24}{'games/s':>9}{'mean ms':>9}{'oracle':>8}{'receptacles':>13}"]
    for axis in axes:
        generate.cache_clear()
        start = time.process_time()
        made = list(islice(games(axis), count))
        seconds = time.process_time() - start
        oracle = statistics.mean(game.oracle for game in made)
        size = statistics.mean(game.receptacles for game in made)
        lines.append(
            f"{_named(axis):<24}{count / seconds:>9.0f}{seconds / count * 1e3:>9.2f}"
            f"{oracle:>8.2f}{size:>13.2f}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0, or 2 with a message for a usage that cannot work."""
    options = _parser().parse_args(arguments)
    try:
        axis = None if options.panel is None else _axis(options.panel)
        if options.rewrite:
            print(f"{FILE.name}: {write():,} games")
        elif options.bench is not None:
            if options.bench < 1:
                raise CoTGapError(f"bad --bench {options.bench}: at least 1 game")
            print(bench([axis] if axis else list(AXES), options.bench))
        elif axis is None:
            raise CoTGapError("--export needs --panel, such as --panel household/id")
        else:
            count = export_panel(axis, options.export, options.wording, options.limit)
            print(f"{count:,} games of {_named(axis)} below {options.export}")
    except CoTGapError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Time the generator of household games, and rewrite its panels."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from itertools import islice
from typing import Annotated

import typer

from cotgap.envs.core import UnknownNameError
from cotgap.envs.household.generator import AXES, games, generate
from cotgap.envs.household.generator.panels import FILE, SIZE, panel_game
from tools.cli import run

app = typer.Typer(help=__doc__, add_completion=False, no_args_is_help=True)


@app.command(epilog="Example: `python -m tools.household.generator bench 500 --axis id`")
def bench(
    count: Annotated[int, typer.Argument(help="Games of each axis.", min=1)] = 200,
    axis: Annotated[
        list[str] | None, typer.Option(help="Repeat for several.", show_default="all")
    ] = None,
) -> None:
    """Print the processor time that a certified game takes, caches cold."""
    for one in axis or ():
        if one not in AXES:
            raise UnknownNameError("axis", one, AXES)
    print(timed(axis or list(AXES), count))


@app.command(epilog="Example: `python -m tools.household.generator rewrite`")
def rewrite() -> None:
    """Generate every panel and rewrite `panels.tsv`, which changes the panels' locks.

    Do this only together with a change of the generator.
    """
    listed = [panel_game(game) for axis in AXES for game in islice(games(axis), SIZE)]
    text = "".join("\t".join(map(str, game)) + "\n" for game in listed)
    FILE.write_text(text, encoding="ascii")
    print(f"{FILE.name}: {len(listed):,} games")


def timed(axes: Sequence[str], count: int) -> str:
    """A table of processor times for `count` games of each axis."""
    lines = [f"{'axis':<16}{'games/s':>9}{'mean ms':>9}{'oracle':>8}{'receptacles':>13}"]
    for axis in axes:
        generate.cache_clear()
        start = time.process_time()
        made = list(islice(games(axis), count))
        seconds = time.process_time() - start
        oracle = statistics.mean(game.oracle for game in made)
        size = statistics.mean(game.receptacles for game in made)
        lines.append(
            f"{axis:<16}{count / seconds:>9.0f}{seconds / count * 1e3:>9.2f}"
            f"{oracle:>8.2f}{size:>13.2f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    run(app)

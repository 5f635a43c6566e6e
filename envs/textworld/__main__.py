"""`cotgap games generate`: make the games of the panels before they are needed."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from cotgap.envs.cli import run
from cotgap.envs.core import SuiteUnavailableError
from cotgap.envs.textworld.drawing import draw
from cotgap.envs.textworld.generation import make_missing
from cotgap.envs.textworld.panels import GAMES, PLANS, format_line
from cotgap.envs.textworld.store import games_folder
from cotgap.envs.textworld.suite import SUITE

app = typer.Typer(help="TextWorld games for CoTGap.", add_completion=False)


@app.callback()
def textworld() -> None:
    """TextWorld games for CoTGap."""
    now = SUITE.availability()
    if not now.usable:
        raise SuiteUnavailableError(SUITE.name, now.reason, now.fix)


@app.command(epilog="Example: `python -m cotgap.envs.textworld generate --panel id`")
def generate(
    panel: Annotated[
        list[str] | None, typer.Option(help="A split, as often as wanted; all by default.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; all cores.")] = None,
) -> None:
    """Make the games that are not in the cache yet."""
    for split in panel or PLANS:
        found = SUITE.panel(split)
        make_missing(SUITE.games(found, [task.id for task in found.tasks]), workers=workers)
        Console().print(f"{found.name}: {len(found)} games in {games_folder()}", soft_wrap=True)


@app.command("draw", hidden=True)
def draw_panels() -> None:
    """Draw the panels anew and write their list. It makes every number incomparable."""
    with GAMES.open("w", encoding="ascii", newline="\n") as file:
        for split, plan in PLANS.items():
            for kind in plan.kinds:
                for game in draw(split, kind):
                    print(format_line(game), file=file, flush=True)
                Console().print(f"{split}: {kind}")


if __name__ == "__main__":
    run(app)

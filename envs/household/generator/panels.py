"""The fixed panels: `panels.tsv` beside this file, so that listing them generates nothing.

A line is axis, task id, content hash, task type, oracle length, number of receptacles.
`python -m tools.household.generator rewrite` writes it anew, after a change of the generator; that
changes the panels' locks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from cotgap.envs.household.generator import AXES, Generated

FILE: Final = Path(__file__).with_name("panels.tsv")
SIZE: Final = 200
"""Games of a panel: the seeds 0 to 199."""


class PanelGame(NamedTuple):
    """One game of a panel, as its line in `panels.tsv` lists it."""

    axis: str
    task: str
    content: str
    """`Game.content_hash` in the axis' wording."""
    kind: str
    oracle: int
    """The fewest commands to the goal."""
    receptacles: int


def panel_game(game: Generated) -> PanelGame:
    """What `panels.tsv` lists of a game."""
    return PanelGame(
        game.axis,
        game.task_id,
        game.game.content_hash,
        game.kind,
        game.oracle,
        game.receptacles,
    )


def read() -> dict[str, list[PanelGame]]:
    """Axis → the games of its panel, in order."""
    games: dict[str, list[PanelGame]] = {axis: [] for axis in AXES}
    for line in FILE.read_text(encoding="ascii").splitlines():
        axis, task, content, kind, oracle, receptacles = line.split("\t")
        games[axis].append(PanelGame(axis, task, content, kind, int(oracle), int(receptacles)))
    return games

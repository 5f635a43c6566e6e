"""ALFWorld's games on this machine: the option and functions that these tools share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from cotgap.envs.alfworld.data import GAME_FILE, LAYOUT, data_folder
from cotgap.envs.core import CoTGapError

Data = Annotated[
    Path,
    typer.Option(
        help="The folder json_2.1.1.",
        default_factory=lambda: data_folder() / LAYOUT,
        show_default=f"$ALFWORLD_DATA/{LAYOUT}",
    ),
]
"""The option `--data` of a command."""


def games(folder: Path) -> Iterator[Path]:
    """The games under a folder, in the order of their paths."""
    return iter(sorted(folder.glob(f"**/{GAME_FILE}")))


def need_games(paths: Sequence[Path], data: Path) -> None:
    """Raise `CoTGapError` where `paths`, the games under `data`, are empty."""
    if not paths:
        raise CoTGapError(f"no {GAME_FILE} under {data}. To fix it: alfworld-download, or --data")

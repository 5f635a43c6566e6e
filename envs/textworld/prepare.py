"""`cotgap games generate`: make the games of panels before they are needed."""

from __future__ import annotations

from collections.abc import Sequence

from cotgap.envs.core import SuiteUnavailableError, UnknownNameError
from cotgap.envs.textworld.generation import make_missing
from cotgap.envs.textworld.panels import PLANS
from cotgap.envs.textworld.store import games_folder
from cotgap.envs.textworld.suite import SUITE


def generate(*, panels: Sequence[str] = (), workers: int | None = None) -> None:
    """Make the games that are not in the cache yet, and print where each panel's are.

    `panels` are names such as `textworld/id`; without any, all games are made. `workers` is the
    number of processes, by default one for each core. Raises `SuiteUnavailableError`,
    `UnknownNameError`, and `TaskUnavailableError` for games that cannot be made.
    """
    now = SUITE.availability()
    if not now.usable:
        raise SuiteUnavailableError(SUITE.name, now.reason, now.fix)
    known = {panel.name: panel for panel in SUITE.panels.values()}
    chosen = panels or [SUITE.panel(split).name for split in PLANS]
    for name in chosen:
        if name not in known:
            raise UnknownNameError("panel", name, known)
    for name in chosen:
        panel = known[name]
        make_missing(SUITE.games(panel, [task.id for task in panel.tasks]), workers=workers)
        print(f"{name}: {len(panel)} games in {games_folder()}")

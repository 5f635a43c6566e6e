"""Where episodes run: one file each, found by its name and imported when it is chosen."""

from __future__ import annotations

from collections.abc import Callable

from cotgap.benchmark.rollout.engines.core import AgentRecipe, Placement, Site
from cotgap.envs.core import UnknownNameError
from cotgap.envs.plugins import Extensions

ENGINES: Extensions[Callable[[AgentRecipe, Placement], Site]] = Extensions(
    "engine", __name__, "SITE", Callable, helpers=("core",)
)


def engines() -> list[str]:
    """The names of all engines; nothing is imported."""
    return ENGINES.names()


def open_site(engine: str, recipe: AgentRecipe, placement: Placement) -> Site:
    """Open an agent where the engine of that name plays.

    Raises `UnknownNameError` for an unknown one, and `CoTGapError` where it lacks a package, cannot
    take the placement or cannot make the agent.
    """
    return ENGINES.get(engine)(recipe, placement)


def check_engine(name: str) -> None:
    """Raise `UnknownNameError` for an unknown engine."""
    if name not in engines():
        raise UnknownNameError("engine", name, engines())

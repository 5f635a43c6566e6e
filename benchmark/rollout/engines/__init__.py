"""Where episodes run: one file each, found by its name and imported when it is chosen."""

from __future__ import annotations

import importlib
import pkgutil

from cotgap.benchmark.rollout.engines.core import AgentRecipe, Placement, Site
from cotgap.envs.core import UnknownNameError


def engines() -> list[str]:
    """The names of all engines; nothing is imported."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "core")


def open_site(engine: str, recipe: AgentRecipe, placement: Placement) -> Site:
    """Open an agent where the engine of that name plays.

    Raises `UnknownNameError` for an unknown one, and `CoTGapError` where it lacks a package, cannot
    take the placement or cannot make the agent.
    """
    check_engine(engine)
    site: Site = importlib.import_module(f"{__name__}.{engine}").SITE(recipe, placement)
    return site


def check_engine(name: str) -> None:
    """Raise `UnknownNameError` for an unknown engine."""
    if name not in engines():
        raise UnknownNameError("engine", name, engines())

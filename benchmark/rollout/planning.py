"""Which tasks of which panels are played, checked before anything costly is opened."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cotgap.benchmark.records.config import PanelPlan, plan_panel
from cotgap.envs.core import SuiteUnavailableError
from cotgap.envs.registry import get_panel, get_suite


def plan_panels(
    names: Iterable[str], episodes: int | None = None, max_steps: int | None = None
) -> tuple[PanelPlan, ...]:
    """The first `episodes` tasks of each panel, under `max_steps` where given.

    Raises `CoTGapError` for an unknown panel, a bad number, or what cannot be played now.
    """
    plans = tuple(plan_panel(get_panel(name), episodes, max_steps) for name in dict.fromkeys(names))
    check_usable(plans)
    return plans


def check_usable(plans: Sequence[PanelPlan]) -> None:
    """Raise `CoTGapError` if a suite or a planned task cannot be played now."""
    for plan in plans:
        panel = get_panel(plan.name)
        suite = get_suite(panel.suite)
        now = suite.availability()
        if not now.usable:
            raise SuiteUnavailableError(suite.name, now.reason, now.fix)
        suite.check(panel, plan.tasks)

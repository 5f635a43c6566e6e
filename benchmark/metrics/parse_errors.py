"""Decisions without an action."""

from __future__ import annotations

from collections.abc import Sequence

from cotgap.benchmark.metrics.core import Metric, step_rate
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.stats.intervals import Estimate


def compute(episodes: Sequence[Episode]) -> Estimate | None:
    """Over the driver's decisions; shadows are not counted."""
    return step_rate(episodes, lambda step: step.decision.action is None, "steps")


METRIC = Metric(
    name="parse_errors",
    title="parse errors",
    doc="Share of the driver's decisions that hold no action (shadows are not counted).",
    unit="rate",
    direction="lower",
    scope="mode",
    order=100,
    compute=compute,
)

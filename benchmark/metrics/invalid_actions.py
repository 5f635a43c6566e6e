"""Actions that the environment did not accept."""

from __future__ import annotations

from collections.abc import Sequence

from cotgap.benchmark.metrics.core import Metric, step_rate
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.stats.intervals import Estimate


def compute(episodes: Sequence[Episode]) -> Estimate | None:
    """Over all steps; parse errors are in `parse_errors` and not here."""
    return step_rate(
        episodes, lambda step: step.decision.action is not None and not step.valid, "steps"
    )


METRIC = Metric(
    name="invalid_actions",
    title="invalid actions",
    doc="Share of steps whose action parsed but was not accepted by the environment.",
    unit="rate",
    direction="lower",
    scope="mode",
    order=110,
    compute=compute,
)

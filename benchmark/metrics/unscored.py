"""Episodes without a score."""

from __future__ import annotations

from collections.abc import Sequence

from cotgap.benchmark.metrics.core import Metric, scored
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.stats.intervals import Estimate


def compute(episodes: Sequence[Episode]) -> Estimate | None:
    """A count of all played episodes, exact."""
    if not episodes:
        return None
    missing = len(episodes) - len(scored(episodes))
    return Estimate(float(missing), None, None, len(episodes), "episodes", "count")


METRIC = Metric(
    name="unscored",
    title="unscored",
    doc="Number of played episodes that ended in an error and have no score. They count in no "
    "other metric.",
    unit="count",
    direction="lower",
    scope="mode",
    order=160,
    compute=compute,
)

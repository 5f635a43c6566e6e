"""Episodes that ran into the step limit."""

from __future__ import annotations

from collections.abc import Sequence

from cotgap.benchmark.metrics.core import Metric, episode_rate
from cotgap.benchmark.records.episode import Episode, Status
from cotgap.benchmark.stats.intervals import Estimate


def compute(episodes: Sequence[Episode]) -> Estimate | None:
    """Over the scored episodes."""
    return episode_rate(episodes, lambda episode: episode.status is Status.TRUNCATED)


METRIC = Metric(
    name="truncated",
    title="truncated",
    doc="Share of scored episodes that reached the step limit.",
    unit="rate",
    direction="lower",
    scope="mode",
    order=120,
    compute=compute,
)

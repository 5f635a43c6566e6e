"""Success rate."""

from __future__ import annotations

from collections.abc import Sequence

from cotgap.benchmark.metrics.core import Metric, episode_rate
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.stats.intervals import Estimate


def compute(episodes: Sequence[Episode]) -> Estimate | None:
    """Share of scored episodes that succeed."""
    return episode_rate(episodes, lambda episode: episode.success)


METRIC = Metric(
    name="success",
    title="success",
    doc="Share of scored episodes that end in success, by the suite's official criterion.",
    unit="rate",
    direction="higher",
    scope="mode",
    order=10,
    compute=compute,
)

"""Success rate."""

from __future__ import annotations

from cotgap.benchmark.metrics.core import Count
from cotgap.benchmark.metrics.kinds import Rate
from cotgap.benchmark.records.episode import Episode


def count(episode: Episode) -> Count:
    """Whether it ended in success."""
    return episode.success, 1


METRIC = Rate(
    name="success",
    title="success",
    doc="Share of scored episodes that end in success, by the suite's official criterion.",
    direction="higher",
    order=10,
    count=count,
)

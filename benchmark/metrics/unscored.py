"""Episodes without a score."""

from __future__ import annotations

from cotgap.benchmark.metrics.kinds import Number

METRIC = Number(
    name="unscored",
    title="unscored",
    doc="Number of played episodes that ended in an error and have no score. They count in no "
    "other metric.",
    direction="lower",
    order=160,
    count=lambda episode: (not episode.status.scored, 1),
)

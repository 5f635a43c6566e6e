"""Episodes that ran into the step limit."""

from __future__ import annotations

from cotgap.benchmark.metrics.kinds import Rate
from cotgap.benchmark.records.episode import Status

METRIC = Rate(
    name="truncated",
    title="truncated",
    doc="Share of scored episodes that reached the step limit.",
    direction="lower",
    order=120,
    count=lambda episode: (episode.status is Status.TRUNCATED, 1),
)

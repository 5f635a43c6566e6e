"""Steps per episode."""

from __future__ import annotations

from cotgap.benchmark.metrics.kinds import Mean

METRIC = Mean(
    name="steps",
    title="steps",
    doc="Mean number of steps of a scored episode, whether it succeeds or not.",
    unit="steps",
    direction="lower",
    order=130,
    count=lambda episode: (len(episode.steps), 1),
)

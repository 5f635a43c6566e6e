"""Steps per episode."""

from __future__ import annotations

from collections.abc import Sequence

from cotgap.benchmark.metrics.core import Metric, episode_mean
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.stats.intervals import Estimate


def compute(episodes: Sequence[Episode]) -> Estimate | None:
    """Over the scored episodes."""
    return episode_mean(episodes, lambda episode: len(episode.steps), least=0.0)


METRIC = Metric(
    name="steps",
    title="steps",
    doc="Mean number of steps of a scored episode, whether it succeeds or not.",
    unit="steps",
    direction="lower",
    scope="mode",
    order=130,
    compute=compute,
)

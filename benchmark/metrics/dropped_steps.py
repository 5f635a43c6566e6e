"""How often a model's context was too small for its episode."""

from __future__ import annotations

from collections.abc import Sequence

from cotgap.benchmark.metrics.core import Metric, episode_rate, scored
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.stats.intervals import Estimate


def compute(episodes: Sequence[Episode]) -> Estimate | None:
    """Over the scored episodes; None where it never happened."""
    if not any(map(_dropped, scored(episodes))):
        return None
    return episode_rate(episodes, _dropped)


def _dropped(episode: Episode) -> bool:
    return any(step.decision.usage.dropped_steps for step in episode.steps)


METRIC = Metric(
    name="dropped_steps",
    title="context overflow",
    doc="Share of scored episodes in which the oldest steps were left out of a prompt because the "
    "model's context was full. Shown only where it happened.",
    unit="rate",
    direction="lower",
    scope="mode",
    order=155,
    compute=compute,
)

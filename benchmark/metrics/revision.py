"""How often reasoning changes the action."""

from __future__ import annotations

from collections.abc import Sequence

from cotgap.benchmark.metrics.core import Metric, revised, revision_rate
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.stats.intervals import Estimate


def compute(episodes: Sequence[Episode]) -> Estimate | None:
    """Over the comparable states of CoT-driven episodes."""
    return revision_rate(episodes, revised)


METRIC = Metric(
    name="revision",
    title="revision",
    doc="Share of the states of CoT-driven episodes where the CoT action differs from the prompt "
    "action, of those where both parse; compared by the suite's normal form.",
    unit="rate",
    direction="neutral",
    scope="pair",
    order=60,
    compute=compute,
    needs=("shadows",),
)

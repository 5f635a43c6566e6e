"""Revisions that help."""

from __future__ import annotations

from collections.abc import Sequence

from cotgap.benchmark.metrics.core import Metric, revision_share
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.stats.intervals import Estimate


def compute(episodes: Sequence[Episode]) -> Estimate | None:
    """Over the comparable states of CoT-driven episodes whose costs are known."""
    return revision_share(episodes, gain=1)


METRIC = Metric(
    name="revision_helpful",
    title="helpful revision",
    doc="Share of the states of CoT-driven episodes, both actions parsed and their costs known, "
    "where the CoT action differs and leads closer to success than the prompt action.",
    unit="rate",
    direction="higher",
    scope="pair",
    order=70,
    compute=compute,
    needs=("shadows", "oracle"),
)

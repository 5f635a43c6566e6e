"""Revisions that neither help nor harm."""

from __future__ import annotations

from collections.abc import Sequence

from cotgap.benchmark.metrics.core import Metric, revision_share
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.stats.intervals import Estimate


def compute(episodes: Sequence[Episode]) -> Estimate | None:
    """Over the comparable states of CoT-driven episodes whose costs are known."""
    return revision_share(episodes, gain=0)


METRIC = Metric(
    name="revision_neutral",
    title="neutral revision",
    doc="Share of the states of CoT-driven episodes, both actions parsed and their costs known, "
    "where the CoT action differs and leads as close to success as the prompt action.",
    unit="rate",
    direction="neutral",
    scope="pair",
    order=90,
    compute=compute,
    needs=("shadows", "oracle"),
)

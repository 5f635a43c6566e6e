"""Revisions that help."""

from __future__ import annotations

from cotgap.benchmark.metrics.core import revisions
from cotgap.benchmark.metrics.kinds import Rate

METRIC = Rate(
    name="revision_helpful",
    title="helpful revision",
    doc="Share of the states of CoT-driven episodes, both actions parsed and their costs known, "
    "where the CoT action differs and leads closer to success than the prompt action.",
    direction="higher",
    order=70,
    count=revisions(gain=1),
    over="states",
    scope="pair",
    needs=("shadows", "oracle"),
)

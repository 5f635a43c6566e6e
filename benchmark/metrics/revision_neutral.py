"""Revisions that neither help nor harm."""

from __future__ import annotations

from cotgap.benchmark.metrics.core import revisions
from cotgap.benchmark.metrics.kinds import Rate

METRIC = Rate(
    name="revision_neutral",
    title="neutral revision",
    doc="Share of the states of CoT-driven episodes, both actions parsed and their costs known, "
    "where the CoT action differs and leads as close to success as the prompt action.",
    direction="neutral",
    order=90,
    count=revisions(gain=0),
    over="states",
    scope="pair",
    needs=("shadows", "oracle"),
)

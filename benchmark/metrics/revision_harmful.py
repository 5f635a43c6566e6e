"""Revisions that harm."""

from __future__ import annotations

from cotgap.benchmark.metrics.core import revisions
from cotgap.benchmark.metrics.kinds import Rate

METRIC = Rate(
    name="revision_harmful",
    title="harmful revision",
    doc="Share of the states of CoT-driven episodes, both actions parsed and their costs known, "
    "where the CoT action differs and leads further from success than the prompt action.",
    direction="lower",
    order=80,
    count=revisions(gain=-1),
    over="states",
    scope="pair",
    needs=("shadows", "oracle"),
)

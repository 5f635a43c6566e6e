"""Decisions without an action."""

from __future__ import annotations

from cotgap.benchmark.metrics.core import of_steps
from cotgap.benchmark.metrics.kinds import Rate

METRIC = Rate(
    name="parse_errors",
    title="parse errors",
    doc="Share of the driver's decisions that hold no action (shadows are not counted).",
    direction="lower",
    order=100,
    count=of_steps(lambda step: step.decision.action is None),
    over="steps",
)

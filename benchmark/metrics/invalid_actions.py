"""Actions that the environment did not accept; parse errors are in `parse_errors`."""

from __future__ import annotations

from cotgap.benchmark.metrics.core import of_steps
from cotgap.benchmark.metrics.kinds import Rate

METRIC = Rate(
    name="invalid_actions",
    title="invalid actions",
    doc="Share of steps whose action parsed but was not accepted by the environment.",
    direction="lower",
    order=110,
    count=of_steps(lambda step: step.decision.action is not None and not step.valid),
    over="steps",
)

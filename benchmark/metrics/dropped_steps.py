"""How often a model's context was too small for its episode."""

from __future__ import annotations

from cotgap.benchmark.metrics.kinds import Rate

METRIC = Rate(
    name="dropped_steps",
    title="context overflow",
    doc="Share of scored episodes in which the oldest steps were left out of a prompt because the "
    "model's context was full. Shown only where it happened.",
    direction="lower",
    order=155,
    count=lambda episode: (any(s.decision.usage.dropped_steps for s in episode.steps), 1),
    unless_zero=True,
)

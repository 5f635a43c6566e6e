"""How often reasoning changes the action."""

from __future__ import annotations

from cotgap.benchmark.metrics.core import revisions
from cotgap.benchmark.metrics.kinds import Rate

METRIC = Rate(
    name="revision",
    title="revision",
    doc="Share of the states of CoT-driven episodes where the CoT action differs from the prompt "
    "action, of those where both parse; compared by the suite's normal form. Likewise of any two "
    "modes: in episodes that the second drives, with the first one's decisions recorded.",
    direction="neutral",
    order=60,
    count=revisions(),
    over="states",
    scope="pair",
    needs=("shadows",),
)

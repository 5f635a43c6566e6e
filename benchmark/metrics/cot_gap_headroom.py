"""The CoT gap relative to the headroom."""

from __future__ import annotations

from cotgap.benchmark.metrics.kinds import Headroom
from cotgap.benchmark.metrics.success import count

METRIC = Headroom(
    name="cot_gap_headroom",
    title="CoT gap / headroom",
    doc="The CoT gap as a share of what mode prompt leaves to be gained: gap / (1 - success of "
    "mode prompt), on the tasks with a score in both modes; likewise of any two modes.",
    direction="higher",
    order=50,
    count=count,
)

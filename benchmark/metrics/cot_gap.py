"""The CoT gap."""

from __future__ import annotations

from cotgap.benchmark.metrics.kinds import Gap
from cotgap.benchmark.metrics.success import count

METRIC = Gap(
    name="cot_gap",
    title="CoT gap",
    doc="Success rate of mode cot less that of mode prompt, paired by task key and averaged over "
    "repeats, on the tasks with a score in both modes; likewise of any two modes that a run was "
    "played in. p: exact McNemar test (with repeats: sign-flip test over tasks).",
    direction="higher",
    order=40,
    count=count,
)

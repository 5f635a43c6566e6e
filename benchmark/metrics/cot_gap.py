"""The CoT gap."""

from __future__ import annotations

from collections.abc import Sequence

from cotgap.benchmark.metrics.core import Metric, success_pairs
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.stats import intervals
from cotgap.benchmark.stats.intervals import Estimate


def compute(episodes: Sequence[Episode]) -> Estimate | None:
    """Mean paired difference over the tasks with a score in both modes."""
    prompt, cot = success_pairs(episodes)
    return intervals.paired_difference(prompt, cot, "tasks") if prompt else None


METRIC = Metric(
    name="cot_gap",
    title="CoT gap",
    doc="Success rate of mode cot less that of mode prompt, paired by task key and averaged over "
    "repeats, on the tasks with a score in both modes. p: exact McNemar test (with repeats: "
    "sign-flip test over tasks).",
    unit="points",
    direction="higher",
    scope="pair",
    order=40,
    compute=compute,
)

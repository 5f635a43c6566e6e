"""The CoT gap relative to the headroom."""

from __future__ import annotations

from collections.abc import Sequence

from cotgap.benchmark.metrics.core import Metric, success_pairs
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.stats import intervals
from cotgap.benchmark.stats.intervals import Estimate


def compute(episodes: Sequence[Episode]) -> Estimate | None:
    """Over the tasks with a score in both modes; None where mode prompt solves them all."""
    prompt, cot = success_pairs(episodes)
    return intervals.relative_gain(prompt, cot, "tasks") if prompt else None


METRIC = Metric(
    name="cot_gap_headroom",
    title="CoT gap / headroom",
    doc="The CoT gap as a share of what mode prompt leaves to be gained: gap / (1 - success of "
    "mode prompt), on the tasks with a score in both modes.",
    unit="ratio",
    direction="higher",
    scope="pair",
    order=50,
    compute=compute,
)

"""τ-bench's pass^k."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cotgap.benchmark.metrics.core import Metric, by_task
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.stats import intervals
from cotgap.benchmark.stats.intervals import Estimate


def compute(episodes: Sequence[Episode]) -> Estimate | None:
    """Over tasks, with k the most scored repeats that a task has; `counts` gives k."""
    tasks = by_task(episodes).values()
    k = max(map(len, tasks), default=0)
    if k < 2:
        return None
    full = [task for task in tasks if len(task) == k]
    chances = [intervals.pass_hat_k(sum(e.success for e in task), k, k) for task in full]
    estimate = intervals.rate(list(map(float, chances)), [1] * len(full), "tasks")
    return replace(estimate, counts={"k": k, "left_out": len(tasks) - len(full)})


METRIC = Metric(
    name="pass_hat_k",
    title="pass^k",
    doc="Chance that all of k repeats of a task succeed (arXiv:2406.12045), with k the number of "
    "repeats. Tasks with fewer scored repeats are left out and counted.",
    unit="rate",
    direction="higher",
    scope="mode",
    order=30,
    compute=compute,
    needs=("repeats",),
)

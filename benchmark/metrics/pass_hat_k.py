"""τ-bench's pass^k."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from cotgap.benchmark.metrics.core import Counts, Part, by_task
from cotgap.benchmark.metrics.kinds import Rate
from cotgap.benchmark.metrics.success import count
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.stats import intervals
from cotgap.benchmark.stats.intervals import Estimate


@dataclass(frozen=True, kw_only=True)
class PassHatK(Rate):
    """A chance of each task, with k the most scored repeats that a task has."""

    over: str = "tasks"

    def counts(self, episodes: Iterable[Episode], part: Part) -> Counts:
        """(the chance, 1) of each task with k repeats; nothing where k is 1.

        Keys name k: chances of another k are another quantity, and compared with none.
        """
        tasks = by_task(e for e in episodes if e.mode == part[-1])
        k = max(map(len, tasks.values()), default=0)
        return {
            f"{key} ^{k}": (intervals.pass_hat_k(sum(e.success for e in task), k, k), 1)
            for key, task in tasks.items()
            if len(task) == k > 1
        }

    def estimate(self, episodes: Iterable[Episode], part: Part) -> Estimate | None:
        """`counts` gives k and how many tasks were left out."""
        played = [e for e in episodes if e.mode == part[-1]]
        if (found := super().estimate(played, part)) is None:
            return None
        tasks = by_task(played)
        k = max(map(len, tasks.values()))
        return replace(found, counts={"k": k, "left_out": len(tasks) - found.n})


METRIC = PassHatK(
    name="pass_hat_k",
    title="pass^k",
    doc="Chance that all of k repeats of a task succeed (arXiv:2406.12045), with k the number of "
    "repeats. Tasks with fewer scored repeats are left out and counted.",
    direction="higher",
    order=30,
    count=count,
    needs=("repeats",),
)

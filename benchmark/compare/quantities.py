"""By how much the second of two runs differs from the first, one estimate for each metric."""

from __future__ import annotations

from dataclasses import dataclass

from cotgap.benchmark.compare.pairing import Pairs
from cotgap.benchmark.metrics.core import (
    Counts,
    Metric,
    Part,
    Unit,
    metrics,
    part_name,
    titled,
)
from cotgap.benchmark.stats.intervals import Estimate


@dataclass(frozen=True)
class Difference:
    """A metric in both runs, over the tasks with a score in both.

    `mode` is the driving mode, or a pair of modes (`prompt-cot`). `first` and `second` are the
    runs' own values there, in the metric's unit, and `estimate` says how far `second` is above
    `first` (in the same unit, whose sign of a difference `unit` names).
    """

    metric: str
    title: str
    mode: str
    unit: Unit
    first: float
    second: float
    estimate: Estimate


def differences(pairs: Pairs) -> list[Difference]:
    """Every metric that both runs have, in the order of tables."""
    found = []
    for metric in metrics().values():
        for part in parts_of(pairs, metric):
            if not metric.applies([e for run in pairs.played for e in run if e.mode in part]):
                continue
            first, second = counts_of(pairs, metric, part)
            if (estimate := metric.difference(first, second)) is not None:
                found.append(
                    Difference(
                        metric=metric.name,
                        title=metric.title
                        if metric.scope == "mode"
                        else titled(metric, part_name(part)),
                        mode=part_name(part),
                        unit=metric.unit,
                        first=metric.level(first),
                        second=metric.level(second),
                        estimate=estimate,
                    )
                )
    return found


def parts_of(pairs: Pairs, metric: Metric) -> list[Part]:
    """What a metric can be compared in: driving modes, or pairs of modes."""
    return metric.parts(pairs.decided if metric.scope == "pair" else pairs.modes)


def counts_of(pairs: Pairs, metric: Metric, part: Part) -> tuple[Counts, Counts]:
    """What either run counted of the tasks that both have counts of."""
    one, two = (metric.counts(run, part) for run in pairs.played)
    return metric.shared(one, two)

"""How every metric changes over the checkpoints of a series.

Beside the paper's questions, which are tested together: these are one look each, unadjusted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from cotgap.benchmark.metrics.core import Part, Unit, get_metric, part_name, titled
from cotgap.benchmark.stats.intervals import Estimate
from cotgap.benchmark.stats.trends import trend
from cotgap.benchmark.sweeps.outcomes import Outcome, Rates
from cotgap.benchmark.sweeps.questions import rates_over, trended


@dataclass(frozen=True)
class Trend:
    """A metric's rise over a series, late − early, in `unit` (a score's in shares of its range)."""

    metric: str
    title: str
    mode: str
    series: str
    panels: str
    unit: Unit
    effect: Estimate


def trends(outcomes: Sequence[Outcome]) -> Iterator[Trend]:
    """Every metric of every series that some task has at two checkpoints."""
    for series in sorted({o.checkpoint.series for o in outcomes}):
        panels, used = trended(outcomes, series)
        for key in dict.fromkeys(key for o in used for key in o.measured):
            name, part = key
            metric = get_metric(name)
            rates = rates_over(used, partial(_of, key))
            if (effect := trend(rates, metric.rise)) is not None:
                bounded = metric.unit in ("rate", "points", "score")
                yield Trend(
                    metric=name,
                    title=titled(metric, part_name(part)),
                    mode=part_name(part),
                    series=series,
                    panels=panels,
                    unit="points" if bounded else metric.unit,
                    effect=effect,
                )


def _of(key: tuple[str, Part], outcome: Outcome) -> Rates:
    return outcome.measured.get(key, {})

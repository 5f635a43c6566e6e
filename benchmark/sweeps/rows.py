"""A sweep's numbers as tidy rows: one number a row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cotgap.benchmark.domain import Relation, relate
from cotgap.benchmark.metrics.core import metrics
from cotgap.benchmark.metrics.summary import PanelSummary
from cotgap.benchmark.probes.running import ProbeResult
from cotgap.benchmark.stats.intervals import Estimate
from cotgap.benchmark.sweeps.series import Checkpoint
from cotgap.envs.registry import get_panel

COLUMNS = (
    "checkpoint series mask_fraction step panel relation axes source quantity part unit value low "
    "high n counted clusters"
).split()
"""`source` is "run" or a probe's name, `part` a mode, a pair of modes
(`prompt-cot`) or a probe's group; `value`, `low`
and `high` are in `unit` (rates and points as fractions), of `n` of what `counted` says."""

Row = Mapping[str, Any]


def rows(
    checkpoint: Checkpoint, played: Iterable[PanelSummary], probed: Iterable[ProbeResult]
) -> Iterator[Row]:
    """Every metric and every probe's figure of a checkpoint."""
    for summary in played:
        where = (summary.panel, relate(checkpoint.card, get_panel(summary.panel)))
        for name, parts in summary.metrics.items():
            for part, estimate in parts.items():
                what = ("run", name, part, metrics()[name].unit)
                yield _row(checkpoint, where, what, estimate)
    for result in probed:
        for found in result.panels:
            where = (found.panel, relate(checkpoint.card, get_panel(found.panel)))
            for figure in found.figures:
                what = (result.config.probe, figure.name, figure.group, figure.unit)
                yield _row(checkpoint, where, what, figure.estimate)


def _row(
    checkpoint: Checkpoint,
    where: tuple[str, Relation],
    what: tuple[str, str, str, str],
    estimate: Estimate,
) -> dict[str, Any]:
    panel, relation = where
    source, quantity, part, unit = what
    return {
        "checkpoint": checkpoint.label,
        "series": checkpoint.series,
        "mask_fraction": checkpoint.mask_fraction,
        "step": checkpoint.step,
        "panel": panel,
        "relation": str(relation),
        "axes": "+".join(relation.axes),
        "source": source,
        "quantity": quantity,
        "part": part,
        "unit": unit,
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "n": estimate.n,
        "counted": estimate.unit,
        "clusters": estimate.clusters,
    }

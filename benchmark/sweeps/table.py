"""A sweep's numbers as one tidy table: one number a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.domain import Relation, relate
from benchmark.metrics.core import metrics
from benchmark.probes import running as probing
from benchmark.stats import Estimate
from benchmark.sweeps.running import TABLE, SweepConfig, probe_folder, read_result
from benchmark.sweeps.series import Checkpoint
from envs.registry import get_panel

COLUMNS = (
    "checkpoint series mask_fraction step panel relation axes source quantity part unit value low "
    "high n counted clusters"
).split()
"""`source` is "run" or a probe's name, `part` a mode, "pair" or a probe's group; `value`, `low`
and `high` are in `unit` (rates and points as fractions), of `n` of what `counted` says."""


def table(folder: Path, config: SweepConfig, checkpoints: Sequence[Checkpoint]) -> pd.DataFrame:
    """Every metric and every probe's figure of every checkpoint, as far as it is on disk."""
    rows = [row for one in checkpoints for row in _rows(folder, config, one)]
    frame: pd.DataFrame = pd.DataFrame(rows, columns=COLUMNS)
    return frame


def write(folder: Path, frame: pd.DataFrame) -> Path:
    """As `table.csv`."""
    path = folder / TABLE
    frame.to_csv(path, index=False)
    return path


def _rows(folder: Path, config: SweepConfig, checkpoint: Checkpoint) -> Iterator[dict[str, Any]]:
    played = read_result(folder, checkpoint, config)
    relations = {plan.name: relate(checkpoint.card, get_panel(plan.name)) for plan in config.panels}
    for panel in played.panels if played else ():
        for name, parts in panel.metrics.items():
            for part, estimate in parts.items():
                unit = metrics()[name].unit
                where = (panel.panel, relations[panel.panel])
                yield _row(checkpoint, where, ("run", name, part, unit), estimate)
    for name in config.probes:
        path = probe_folder(folder, checkpoint, name)
        if not (path / probing.PROBE).exists():
            continue
        for found in probing.load(path).panels:
            for figure in found.figures:
                where = (found.panel, relations[found.panel])
                what = (name, figure.name, figure.group, figure.unit)
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

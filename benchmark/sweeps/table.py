"""A sweep's numbers as one tidy table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from cotgap.benchmark.probes import running as probing
from cotgap.benchmark.sweeps.rows import COLUMNS, Row, rows
from cotgap.benchmark.sweeps.running import TABLE, SweepConfig, probe_folder, read_result
from cotgap.benchmark.sweeps.series import Checkpoint


def table(folder: Path, config: SweepConfig, checkpoints: Sequence[Checkpoint]) -> pd.DataFrame:
    """Every metric and every probe's figure of every checkpoint, as far as it is on disk."""
    found = [row for one in checkpoints for row in _rows(folder, config, one)]
    frame: pd.DataFrame = pd.DataFrame(found, columns=COLUMNS)
    return frame


def write(folder: Path, frame: pd.DataFrame) -> Path:
    """As `table.csv`."""
    path = folder / TABLE
    frame.to_csv(path, index=False)
    return path


def _rows(folder: Path, config: SweepConfig, checkpoint: Checkpoint) -> Iterator[Row]:
    played = read_result(folder, checkpoint, config)
    places = (probe_folder(folder, checkpoint, name) for name in config.probes)
    probed = [probing.load(path) for path in places if (path / probing.PROBE).exists()]
    return rows(checkpoint, played.panels if played else (), probed)

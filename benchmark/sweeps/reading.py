"""A sweep's folder, finished or not, as others read it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from cotgap.benchmark.probes.running import PROBE
from cotgap.benchmark.records.store import RUN, SUMMARY
from cotgap.benchmark.sweeps.running import SWEEP, SweepConfig, SweepFile, probe_folder, run_folder
from cotgap.benchmark.sweeps.series import Checkpoint
from cotgap.envs.core import CoTGapError

MARGIN = 0.05  # what the command line asks about by default


@dataclass(frozen=True)
class Sweep:
    """What a sweep's folder says of it. `checkpoints` are in order of series and step.

    `margin` is the rise of the CoT gap that its answers are asked about.
    """

    folder: Path
    config: SweepConfig
    checkpoints: tuple[Checkpoint, ...]
    margin: float

    def runs(self) -> dict[str, Path]:
        """Checkpoint's label → its run's folder, where that was begun."""
        found = {one.label: run_folder(self.folder, one) for one in self.checkpoints}
        return {label: path for label, path in found.items() if (path / RUN).is_file()}

    def probes(self) -> dict[tuple[str, str], Path]:
        """(checkpoint's label, probe) → the probe's folder, where that was begun."""
        found = {
            (one.label, name): probe_folder(self.folder, one, name)
            for one in self.checkpoints
            for name in self.config.probes
        }
        return {key: path for key, path in found.items() if (path / PROBE).is_file()}


def read_sweep(folder: Path) -> Sweep:
    """Read `sweep.json`; raises `CoTGapError` where there is none, or no sweep wrote it so."""
    path = folder / SWEEP
    try:
        content = SweepFile.parse(path.read_bytes())
        margin = _margin(folder / SUMMARY)
    except FileNotFoundError:
        raise CoTGapError(f"{folder} is no sweep's folder: it has no {SWEEP}") from None
    except (OSError, ValueError, KeyError, TypeError, CoTGapError) as error:
        raise CoTGapError(f"{path} is malformed ({error}): no sweep wrote it so") from error
    checkpoints = tuple(
        Checkpoint(
            path=Path(one.path),
            label=one.label,
            step=one.step,
            mask_fraction=one.mask_fraction,
            card={"trained_on": one.trained_on},
        )
        for one in content.checkpoints
    )
    return Sweep(folder, content.config, checkpoints, margin)


def _margin(path: Path) -> float:
    if not path.is_file():
        return MARGIN
    answers = json.loads(path.read_text(encoding="utf-8"))["answers"]
    return next((float(a["margin"]) for a in answers if a["direction"] == "stays"), MARGIN)

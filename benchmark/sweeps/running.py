"""Measure every checkpoint of a series: an ordinary run and ordinary probes, beneath one folder.

    OUT/sweep.json              the checkpoints, in order, and what is measured
    OUT/runs/LABEL/             a run folder for each checkpoint
    OUT/probes/LABEL/PROBE/     a probe folder for each of its probes
    OUT/table.csv               every number, one a row
    OUT/summary.json            the answers and alarms

The same command resumes: each folder goes on where it stopped, and a checkpoint whose folders are
complete is not even loaded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cotgap.agents.agent import AgentCard
from cotgap.agents.core import Sampling
from cotgap.agents.fingerprint import fingerprint
from cotgap.agents.options import LoadingOptions
from cotgap.benchmark.domain import trained_on
from cotgap.benchmark.metrics.core import COT, PROMPT
from cotgap.benchmark.probes import running as probing
from cotgap.benchmark.probes.core import get_probe
from cotgap.benchmark.records.config import Limits, PanelPlan, RunConfig
from cotgap.benchmark.records.folder import Folder, Layout, more_names, more_panels
from cotgap.benchmark.records.store import RUN, read_episodes, read_run
from cotgap.benchmark.rollout.budget import Budget
from cotgap.benchmark.rollout.engines import open_site
from cotgap.benchmark.rollout.engines.core import AgentRecipe, Placement
from cotgap.benchmark.rollout.runner import RunResult, conclude, run
from cotgap.benchmark.sweeps.outcomes import Outcome, outcome
from cotgap.benchmark.sweeps.series import Checkpoint
from cotgap.envs.registry import get_panel
from cotgap.envs.schema import FileName, Record

SWEEP, TABLE = "sweep.json", "table.csv"
LAYOUT = Layout("sweep", SWEEP, grows={"panels": more_panels, "probes": more_names})


@dataclass(frozen=True)
class SweepConfig(Record):
    """What is measured of every checkpoint; the checkpoints themselves are beside it.

    `dtype` is the models' precision, None being the backend's own choice.
    """

    panels: tuple[PanelPlan, ...]
    probes: tuple[FileName, ...]
    states: int
    limits: Limits
    protocol: str | None
    seed: int
    dtype: str | None


@dataclass(frozen=True)
class ListedCheckpoint(Record):
    """A checkpoint as `sweep.json` lists it; `trained_on` is all that its card tells of that."""

    label: FileName
    series: str
    step: int
    mask_fraction: float | None
    path: str
    trained_on: list[Any]


@dataclass(frozen=True)
class SweepFile(Record):
    """The content of `sweep.json`."""

    digest: str
    config: SweepConfig
    checkpoints: tuple[ListedCheckpoint, ...]


@dataclass(frozen=True)
class Measuring:
    """How checkpoints are loaded and where they are measured, which decides no answer.

    Nothing more is measured once `budget`, which all checkpoints share, is spent.
    """

    loading: LoadingOptions
    engine: str
    placement: Placement
    env_workers: int | None
    budget: Budget


@dataclass(frozen=True)
class Watchers:
    """What is told to whoever watches: each checkpoint's start, and progress of run and probes."""

    on_checkpoint: Callable[[Checkpoint, AgentCard | None], None]
    """(which, its agent's card; None where nothing is left to be measured)"""
    playing: Callable[[], Any]
    """A context manager that gives the `Progress` of a run."""
    probing: Callable[[], Any]
    """A context manager that gives the `Watch` of a probe."""


def digest(config: SweepConfig, patterns: Sequence[str]) -> str:
    """SHA-256 (hex) of the configuration and of where checkpoints are looked for."""
    places = [str(Path(pattern).expanduser().absolute()) for pattern in patterns]
    return hashlib.sha256(json.dumps([config.to_json(), places]).encode()).hexdigest()


@contextmanager
def open_folder(
    folder: Path, config: SweepConfig, checkpoints: Sequence[Checkpoint]
) -> Iterator[list[Checkpoint]]:
    """Make the sweep's folder, or go on in it, and hold it (see `Folder` for what is refused).

    Checkpoints, probes, panels and tasks may be added to a sweep. Gives the checkpoints under the
    labels that the folder knows them by.
    """
    with Folder(folder, LAYOUT, config.to_json()) as opened:
        checkpoints = _relabelled(checkpoints, opened.head.get("checkpoints", []))
        listed = [
            ListedCheckpoint(
                label=one.label,
                series=one.series,
                step=one.step,
                mask_fraction=one.mask_fraction,
                path=str(one.path),
                trained_on=list(trained_on(one.card)),
            ).to_json()
            for one in checkpoints
        ]
        opened.note(checkpoints=listed)
        yield list(checkpoints)


def _relabelled(
    checkpoints: Sequence[Checkpoint], listed: Sequence[Mapping[str, Any]]
) -> list[Checkpoint]:
    """With the labels of a list of before; new ones get one that is free."""
    known = {Path(one["path"]).resolve(): str(one["label"]) for one in listed}
    used, found = set(known.values()), []
    for one in checkpoints:
        label = known.get(one.path.resolve(), one.label)
        while one.path.resolve() not in known and label in used:
            label += "+"
        used.add(label)
        found.append(replace(one, label=label))
    return found


def measure(
    folder: Path,
    config: SweepConfig,
    checkpoint: Checkpoint,
    how: Measuring,
    watchers: Watchers,
) -> bool:
    """Run and probe one checkpoint; returns whether it was stopped."""
    if finished(folder, config, checkpoint):
        watchers.on_checkpoint(checkpoint, None)
        return False
    options = {**how.loading.keywords(), "protocol": config.protocol}
    site = open_site(how.engine, AgentRecipe(str(checkpoint.path), options), how.placement)
    settings: dict[str, Any] = {
        "width": how.loading.batch_size,
        "env_workers": how.env_workers,
        "budget": how.budget,
    }
    try:
        card = site.card
        watchers.on_checkpoint(checkpoint, card)
        wanted = _run_config(config, card.description, str(card.protocol))
        path = run_folder(folder, checkpoint)
        with watchers.playing() as progress:
            played = run(site, wanted, path, progress, engine=how.engine, **settings)
        if played.interrupted:
            return True
        for name in config.probes:
            path = probe_folder(folder, checkpoint, name)
            asked = _probe_config(config, card, name)
            with watchers.probing() as watch:
                probed = probing.run_probe(site, asked, path, watch, **settings)
            if probed.interrupted:
                return True
    finally:
        site.close()
    return False


def finished(folder: Path, config: SweepConfig, checkpoint: Checkpoint) -> bool:
    """Whether the run and all probes of a checkpoint are complete, and its own."""
    path = run_folder(folder, checkpoint)
    if not (path / RUN).exists() or not complete(folder, config, checkpoint):
        return False
    # An adapter's fingerprint is that of its base, too, which only loading it shows.
    return bool(read_run(path)["config"]["agent"]["fingerprint"] == fingerprint(checkpoint.path))


def complete(folder: Path, config: SweepConfig, checkpoint: Checkpoint) -> bool:
    """Whether every planned episode has a score and every probe has visited every task."""
    path = run_folder(folder, checkpoint)
    if not (path / RUN).exists():
        return False
    scored = sum(episode.status.scored for episode in read_episodes(path))
    planned = 2 * sum(len(plan.tasks) for plan in config.panels)
    return scored == planned and all(
        (place / probing.PROBE).exists() and probing.load(place).complete
        for place in (probe_folder(folder, checkpoint, name) for name in config.probes)
    )


def outcomes(
    folder: Path, config: SweepConfig, checkpoints: Sequence[Checkpoint]
) -> Iterator[Outcome]:
    """What every checkpoint did on every panel, as far as it is on disk."""
    for checkpoint in checkpoints:
        episodes = read_episodes(run_folder(folder, checkpoint))
        found = {name: probe_folder(folder, checkpoint, name) for name in config.probes}
        probes = {name: path for name, path in found.items() if (path / probing.PROBE).exists()}
        for plan in config.panels:
            yield outcome(checkpoint, get_panel(plan.name), episodes, probes)


def run_folder(folder: Path, checkpoint: Checkpoint) -> Path:
    """Where a checkpoint's run is."""
    return folder / "runs" / checkpoint.label


def probe_folder(folder: Path, checkpoint: Checkpoint, probe: str) -> Path:
    """Where a checkpoint's probe is."""
    return folder / "probes" / checkpoint.label / probe


def read_result(folder: Path, checkpoint: Checkpoint, config: SweepConfig) -> RunResult | None:
    """A checkpoint's run as far as it is on disk."""
    path = run_folder(folder, checkpoint)
    if not (path / RUN).exists():
        return None
    played = read_run(path)["config"]
    settings = _run_config(config, played["agent"], played["protocol"])
    return conclude(path, settings, read_episodes(path))


def _run_config(config: SweepConfig, agent: dict[str, Any], protocol: str) -> RunConfig:
    return RunConfig(
        agent=agent,
        protocol=protocol,
        modes=(PROMPT, COT),
        shadow="auto",
        panels=config.panels,
        repeats=1,
        sampling=Sampling(),
        limits=config.limits,
        seed=config.seed,
    )


def _probe_config(config: SweepConfig, card: AgentCard, name: str) -> probing.ProbeConfig:
    return probing.ProbeConfig(
        probe=name,
        version=get_probe(name).version,
        agent=card.description,
        protocol=str(card.protocol),
        panels=config.panels,
        states=config.states,
        mode=COT,
        limits=config.limits,
        seed=config.seed,
    )

"""Plan a run's episodes, play those that are not on disk yet, and summarise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.agent import Agent
from agents.core import Circumstances
from benchmark.budget import Budget
from benchmark.config import RunConfig
from benchmark.engines.local import LocalEngine
from benchmark.episode import Decoding, Job
from benchmark.metrics.summary import PanelSummary, summarise
from benchmark.records import Episode
from benchmark.shots import shot_source
from benchmark.store import RunStore
from envs.audits import audit_of
from envs.core import Panel, TaskKey, TextEnv
from envs.registry import get_panel, get_suite


@dataclass(frozen=True)
class Progress:
    """What a watcher of a run is told: totals at the start, then each step and episode."""

    on_start: Callable[[Sequence[Job], Sequence[Episode], Sequence[str]], None]
    """(all jobs, episodes already on disk, what is worth saying about the folder)"""
    on_step: Callable[[], None]
    on_episode: Callable[[Episode], None]


@dataclass(frozen=True)
class RunResult:
    """What a run came to. `complete`: every planned episode has a score."""

    folder: Path
    config: RunConfig
    panels: list[PanelSummary]
    planned: int
    statuses: dict[str, int]
    errors: list[dict[str, Any]]
    """Task key, mode, repeat, status and error of each unscored episode."""
    interrupted: bool

    @property
    def complete(self) -> bool:
        """Whether every planned episode ended in a score."""
        scored = sum(self.statuses.get(name, 0) for name in ("success", "failure", "truncated"))
        return scored == self.planned

    def to_json(self) -> dict[str, Any]:
        """The content of `summary.json`."""
        return {
            "digest": self.config.digest,
            "agent": dict(self.config.agent),
            "protocol": self.config.protocol,
            "complete": self.complete,
            "episodes": {"planned": self.planned, **self.statuses},
            "errors": self.errors,
            "panels": [_with_audit(panel) for panel in self.panels],
        }


def _with_audit(panel: PanelSummary) -> dict[str, Any]:
    """A panel's summary beside its floor and ceiling, where they were audited under this lock."""
    audit = audit_of(panel.panel, panel.lock)
    return {**panel.to_json(), "audit": audit and audit.to_json()}


def plan(config: RunConfig) -> list[Job]:
    """Every episode of a run, in the order they are started."""
    jobs = []
    for panel in config.panels:
        kinds = get_panel(panel.name)
        for task in panel.tasks:
            for repeat in range(config.repeats):
                for mode in config.modes:
                    job = Job(
                        kinds.key(task),
                        panel.lock,
                        mode,
                        config.shadows_of(mode),
                        repeat,
                        kinds.task(task).kind,
                    )
                    jobs.append(job)
    return jobs


def run(
    agent: Agent,
    config: RunConfig,
    folder: Path,
    progress: Progress,
    *,
    width: int | None = None,
    budget: Budget | None = None,
) -> RunResult:
    """Play a run to its end, or continue it; Ctrl-C stops it cleanly (`interrupted`).

    So does a `budget` that is spent, by this call and by the episodes that were on disk before.

    Raises `CoTGapError` where the folder cannot take this run or a suite cannot be played.
    """
    jobs = plan(config)
    shots = shot_source(agent.protocol, config.seed)
    for panel in config.panels:  # mistakes show before anything is played
        shots(get_panel(panel.name).key(panel.tasks[0]))
    width = width or agent.backend.batch_size
    budget = budget or Budget()
    with RunStore(folder, config, _circumstances(agent, width)) as store:
        before = store.episodes()
        done = {episode.id for episode in before if episode.status.scored}
        budget.add_episodes(before)
        progress.on_start(jobs, before, store.notices)
        engine = LocalEngine(
            agent,
            Decoding(config.sampling, config.limits, config.seed),
            _environments(config, list_actions=agent.protocol.admissible),
            width=width,
            shots=shots,
            on_step=progress.on_step,
            budget=budget,
        )
        interrupted = False
        try:
            for episode in engine.run([job for job in jobs if job.id not in done]):
                store.append(episode)
                progress.on_episode(episode)
        except KeyboardInterrupt:
            interrupted = True
        result = conclude(folder, config, store.episodes(), interrupted=interrupted)
        store.write_summary(result.to_json())
    return result


def conclude(
    folder: Path, config: RunConfig, episodes: Sequence[Episode], *, interrupted: bool = False
) -> RunResult:
    """The result of the episodes on disk."""
    return RunResult(
        folder=folder,
        config=config,
        panels=summarise(episodes),
        planned=len(plan(config)),
        statuses=dict(sorted(Counter(episode.status.value for episode in episodes).items())),
        errors=[
            {
                "task_key": str(e.task_key),
                "mode": e.mode,
                "repeat": e.repeat,
                "status": e.status.value,
                "error": e.error,
            }
            for e in episodes
            if not e.status.scored
        ],
        interrupted=interrupted,
    )


def _circumstances(agent: Agent, width: int) -> dict[str, str]:
    """What the model's rounding depends on, but no decision should."""
    backend = agent.backend
    more = backend.circumstances() if isinstance(backend, Circumstances) else {}
    return {"batch_size": str(width), **more}


def _environments(config: RunConfig, *, list_actions: bool) -> Callable[[TaskKey], TextEnv]:
    """Opens environments under the run's own step limit; actions are listed only if shown."""
    panels: dict[str, Panel] = {
        planned.name: get_panel(planned.name).with_step_limit(planned.step_limit)
        for planned in config.panels
    }
    return lambda key: get_suite(key.suite).make(panels[key.panel], list_actions=list_actions)

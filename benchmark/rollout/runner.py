"""Plan a run's episodes, play those that are not on disk yet, and summarise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from cotgap.benchmark.metrics.summary import PanelSummary, summarise
from cotgap.benchmark.records.config import RunConfig
from cotgap.benchmark.records.episode import Episode, Status
from cotgap.benchmark.records.folder import ended
from cotgap.benchmark.records.sessions import Session
from cotgap.benchmark.records.store import RunStore
from cotgap.benchmark.rollout.budget import Budget
from cotgap.benchmark.rollout.engines.core import Order, Site
from cotgap.benchmark.rollout.episode import EpisodeRules, Job
from cotgap.benchmark.rollout.shots import shot_source
from cotgap.envs.audits import audit_of
from cotgap.envs.registry import get_panel


@dataclass
class Tally:
    """How episodes have ended so far, by driving mode."""

    won: Counter[str] = field(default_factory=Counter)
    scored: Counter[str] = field(default_factory=Counter)
    unscored: int = 0

    def add(self, mode: str, status: Status) -> None:
        """Count an episode."""
        self.won[mode] += status is Status.SUCCESS
        self.scored[mode] += status.scored
        self.unscored += not status.scored


@dataclass(frozen=True)
class Progress:
    """What a watcher of a run is told: totals at the start, then each step and episode."""

    on_start: Callable[[int, Tally, Sequence[str]], None]
    """(planned episodes, what is already on disk, what is worth saying about the folder)"""
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
    session: Session | None = None
    """What was played now, and what that took; None where nothing was."""

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
    site: Site,
    config: RunConfig,
    folder: Path,
    progress: Progress,
    *,
    width: int | None = None,
    env_workers: int | None = None,
    engine: str = "local",
    budget: Budget | None = None,
) -> RunResult:
    """Play a run to its end, or continue it; Ctrl-C stops it cleanly (`interrupted`).

    So does a `budget` that is spent, by this call and by the episodes that were on disk before.
    `width` episodes at a time on each of the site's agents, by default as many as they like;
    `engine` is the site's, for the record. Raises `CoTGapError` where the folder cannot take this
    run or a suite cannot be played.
    """
    jobs, card = plan(config), site.card
    shots = shot_source(card.protocol, config.seed)
    for panel in config.panels:  # mistakes show before anything is played
        shots(get_panel(panel.name).key(panel.tasks[0]))
    order = Order(EpisodeRules(config), width or card.batch_size, env_workers, budget or Budget())
    circumstances = {"engine": engine, "batch_size": str(order.width), **card.circumstances}
    with RunStore(folder, config, circumstances) as store:
        before = _on_disk(store, jobs, order.budget)
        todo = [job for job in jobs if not before.get(job.id, Status.TIMEOUT).scored]
        tally = Tally()
        for (_, mode, _), status in before.items():
            tally.add(mode, status)
        progress.on_start(len(jobs), tally, store.notices)
        begun, episodes, steps, interrupted = perf_counter(), 0, 0, False
        try:
            if todo:
                store.begin_session(engine, site.workers)
            for episode in site.play(order, todo, progress.on_step):
                # Counted first: Ctrl-C while the disk takes it in must not lose the session.
                episodes, steps = episodes + 1, steps + len(episode.steps)
                store.append(episode)
                progress.on_episode(episode)
        except KeyboardInterrupt:
            interrupted = True
        session = None
        if episodes:
            spent, seconds = site.times, perf_counter() - begun
            session = Session(
                engine, site.workers, episodes, steps, seconds, spent.model, spent.environments
            )

        def end() -> RunResult:
            if todo:
                store.end_session(session)
            found = conclude(folder, config, store.episodes(), interrupted=interrupted)
            store.write_summary(found.to_json())
            return found

        result, stopped = ended(end)
    return replace(result, session=session, interrupted=interrupted or stopped)


def _on_disk(
    store: RunStore, jobs: Sequence[Job], budget: Budget
) -> dict[tuple[str, str, int], Status]:
    """How planned episodes ended that are on disk, all of whose tokens the budget counts."""
    planned = {job.id: job for job in jobs}
    found: dict[tuple[str, str, int], Status] = {}
    others = 0
    for episode in store.stream():
        budget.add_episode(episode)
        job = planned.get(episode.id)
        if job is not None and _is(job, episode):
            found[episode.id] = episode.status
        else:
            others += episode.status.scored
    if others:
        store.notices.append(
            f"{others} finished episodes lack what the added modes record beside them, and are "
            "played again"
        )
    return found


def _is(job: Job, episode: Episode) -> bool:
    """Whether an episode is what the job asks for: shadows are as planned at every state."""
    shadows = set(job.shadows)
    return all(step.shadows.keys() == shadows for step in episode.steps)


def conclude(
    folder: Path, config: RunConfig, episodes: Sequence[Episode], *, interrupted: bool = False
) -> RunResult:
    """The result of the episodes on disk, without those that are to be played again."""
    planned = {job.id: job for job in plan(config)}
    episodes = [e for e in episodes if e.id in planned and _is(planned[e.id], e)]
    return RunResult(
        folder=folder,
        config=config,
        panels=summarise(episodes, config.modes),
        planned=len(planned),
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

"""What a report is made of: runs read from their folders, and whatever else a section can read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from cotgap.benchmark.metrics.summary import PanelSummary, summarise
from cotgap.benchmark.records.config import PanelPlan, RunConfig
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.records.store import RUN, read_episodes, read_run
from cotgap.envs.core import CoTGapError


@dataclass(frozen=True)
class Run:
    """A run folder, finished or not. `label` names it on every page, `folder` is its own name."""

    label: str
    folder: str
    digest: str
    agent: Mapping[str, Any]
    protocol: str
    modes: tuple[str, ...]
    repeats: int
    plans: tuple[PanelPlan, ...]
    episodes: tuple[Episode, ...]
    """In the order of the plan: panel, task, repeat, mode."""
    path: Path = Path()
    """Where it was read."""

    @property
    def planned(self) -> int:
        """How many episodes were planned."""
        return sum(len(plan.tasks) for plan in self.plans) * self.repeats * len(self.modes)

    @cached_property
    def statuses(self) -> dict[str, int]:
        """Status → number of episodes on disk."""
        return dict(sorted(Counter(episode.status.value for episode in self.episodes).items()))

    @property
    def scored(self) -> int:
        """Episodes with a score."""
        return sum(episode.status.scored for episode in self.episodes)

    @property
    def errors(self) -> int:
        """Episodes that were played and have no score."""
        return len(self.episodes) - self.scored

    @property
    def unplayed(self) -> int:
        """Planned episodes that are not on disk."""
        return max(0, self.planned - len(self.episodes))

    @property
    def complete(self) -> bool:
        """Whether every planned episode has a score."""
        return self.scored >= self.planned

    @cached_property
    def summaries(self) -> list[PanelSummary]:
        """Every metric of every panel, in the order of the plan."""
        places = {plan.name: place for place, plan in enumerate(self.plans)}
        return sorted(
            summarise(self.episodes, self.modes),
            key=lambda s: places.get(s.panel, len(places)),
        )

    def plan(self, panel: str) -> PanelPlan | None:
        """The plan of a panel, where there was one."""
        return next((plan for plan in self.plans if plan.name == panel), None)

    def played(self, summary: PanelSummary) -> list[Episode]:
        """The episodes that a summary was made of."""
        key = (summary.panel, summary.lock, summary.protocol, summary.fingerprint)
        return [
            e for e in self.episodes if (e.task_key.panel, e.lock, e.protocol, e.fingerprint) == key
        ]


@dataclass(frozen=True)
class Report:
    """All that the pages are made of.

    `extras` maps a section to what it read for itself, `missing` says what is unfinished in that.
    """

    runs: tuple[Run, ...]
    extras: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    @property
    def incomplete(self) -> list[Run]:
        """The runs in which a planned episode lacks a score."""
        return [run for run in self.runs if not run.complete]


def load_run(folder: Path) -> Run:
    """Read a run folder; raises `CoTGapError` where it is none or is damaged."""
    content = read_run(folder)
    try:
        config = RunConfig.from_json(content["config"])
    except CoTGapError as error:
        raise CoTGapError(f"{folder / RUN} is malformed ({error}): no run wrote it so") from error
    run = make_run(folder.resolve().name, str(content.get("digest", "")), config)
    return with_episodes(replace(run, path=folder.resolve()), read_episodes(folder))


def make_run(folder: str, digest: str, config: RunConfig) -> Run:
    """A run without its episodes."""
    return Run(
        label=str(config.agent.get("name", folder)),
        folder=folder,
        digest=digest,
        agent=config.agent,
        protocol=config.protocol,
        modes=config.modes,
        repeats=config.repeats,
        plans=config.panels,
        episodes=(),
    )


def with_episodes(run: Run, episodes: Sequence[Episode]) -> Run:
    """The same run with these episodes, in the order of its plan."""
    return replace(run, episodes=_in_order(run, episodes))


def labelled(runs: Sequence[Run]) -> tuple[Run, ...]:
    """The same runs with labels that differ: the agent's name, and where shared the folder's."""
    for more in ("folder", "digest"):
        seen = Counter(run.label for run in runs)
        runs = [
            replace(run, label=f"{run.label} · {getattr(run, more)[:40]}")
            if seen[run.label] > 1
            else run
            for run in runs
        ]
    return tuple(runs)


def _in_order(run: Run, episodes: Sequence[Episode]) -> tuple[Episode, ...]:
    panels = {plan.name: place for place, plan in enumerate(run.plans)}
    tasks = {(p.name, task): place for p in run.plans for place, task in enumerate(p.tasks)}
    modes = {mode: place for place, mode in enumerate(run.modes)}

    def place(e: Episode) -> tuple[int, int, str, int, int, str]:
        panel, task = e.task_key.panel, tasks.get((e.task_key.panel, e.task_key.task))
        return (
            panels.get(panel, len(panels)),
            len(tasks) if task is None else task,
            str(e.task_key),
            e.repeat,
            modes.get(e.mode, len(modes)),
            e.mode,
        )

    return tuple(sorted(episodes, key=place))

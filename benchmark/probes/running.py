"""A probe's run: its configuration, its folder, and what it comes to.

A folder holds `probe.json` (the resolved configuration and its digest), `tasks.jsonl` (one
visited task a line, appended whole) and `summary.json` (derived). The same configuration resumes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cotgap.agents.agent import Agent, AgentCard
from cotgap.benchmark.probes.core import Figure, check_backend, check_environment, get_probe
from cotgap.benchmark.probes.driving import TaskRecord, VisitJob, VisitRollout
from cotgap.benchmark.probes.states import Visit
from cotgap.benchmark.records.config import Limits, PanelPlan, digest_of
from cotgap.benchmark.records.folder import Folder, Layout, ended, more_panels, read_head, read_log
from cotgap.benchmark.records.store import SUMMARY, versions
from cotgap.benchmark.rollout.budget import Budget
from cotgap.benchmark.rollout.engines.core import Order, Site
from cotgap.benchmark.rollout.needs import Failure
from cotgap.benchmark.rollout.shots import shot_source
from cotgap.envs.core import CoTGapError, TaskKey
from cotgap.envs.files import write_json
from cotgap.envs.registry import get_panel, get_suite

PROBE, TASKS = "probe.json", "tasks.jsonl"
LAYOUT = Layout("probe", PROBE, TASKS, {"panels": more_panels})


@dataclass(frozen=True)
class ProbeConfig:
    """Everything that a probe's rows depend on; two with one digest must agree.

    `agent` is its description. `states` is how many states of a task are asked at (None: all),
    `mode` drives where the agent plays itself, `seed` draws states and actions.
    """

    probe: str
    version: int
    agent: Mapping[str, Any]
    protocol: str
    panels: tuple[PanelPlan, ...]
    states: int | None
    mode: str
    limits: Limits
    seed: int

    def __post_init__(self) -> None:
        if self.states is not None and self.states < 1:
            raise CoTGapError(
                f"--states {self.states}: give a number of states per task, 1 or more"
            )

    def to_json(self) -> dict[str, Any]:
        """A JSON-able mapping, the same after a round trip through JSON."""
        return dict(json.loads(json.dumps(asdict(self))))

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the whole configuration."""
        return digest_of(self.to_json())

    def keys(self) -> list[TaskKey]:
        """Every task, in order."""
        return [get_panel(plan.name).key(task) for plan in self.panels for task in plan.tasks]


@dataclass(frozen=True)
class PanelFigures:
    """What a probe found on one panel: `states` were counted, `skipped` were not (reason → n)."""

    panel: str
    lock: str
    tasks: int
    states: int
    skipped: Mapping[str, int]
    figures: tuple[Figure, ...]

    def get(self, name: str, group: str) -> Figure | None:
        """The figure of that name and group, if there is one."""
        return next((f for f in self.figures if (f.name, f.group) == (name, group)), None)


@dataclass(frozen=True)
class ProbeResult:
    """What a probe's folder holds so far."""

    folder: Path
    config: ProbeConfig
    panels: tuple[PanelFigures, ...]
    planned: int
    errors: tuple[TaskRecord, ...]
    done: int
    interrupted: bool = False

    @property
    def complete(self) -> bool:
        """Whether every planned task was visited without an error."""
        return self.done == self.planned

    def to_json(self) -> dict[str, Any]:
        """The content of `summary.json`."""
        return {
            "digest": self.config.digest,
            "probe": self.config.probe,
            "agent": dict(self.config.agent),
            "protocol": self.config.protocol,
            "complete": self.complete,
            "tasks": {"planned": self.planned, "done": self.done},
            "errors": [{"task_key": e.task_key, "error": e.error} for e in self.errors],
            "panels": [asdict(panel) for panel in self.panels],
        }


@dataclass(frozen=True)
class Watch:
    """What a watcher of a probe is told: totals at the start, then each task."""

    on_start: Callable[[int, int, Sequence[str]], None] = lambda planned, done, notices: None
    on_task: Callable[[TaskRecord], None] = lambda record: None


def check(config: ProbeConfig, card: AgentCard) -> None:
    """Raise `CoTGapError` where a suite or the agent's backend lacks what the probe needs."""
    probe = get_probe(config.probe)
    check_backend(probe, card)
    for plan in config.panels:
        panel = get_panel(plan.name)
        env = get_suite(panel.suite).make(panel, list_actions=False)
        try:
            check_environment(probe, env)
        finally:
            env.close()


def run_probe(
    site: Site,
    config: ProbeConfig,
    folder: Path,
    watch: Watch,
    *,
    width: int | None = None,
    env_workers: int | None = None,
    budget: Budget | None = None,
) -> ProbeResult:
    """Visit what is not on disk yet; Ctrl-C stops cleanly, and so does a `budget` that is spent.

    `width` visits at a time (or parts of visits) on each of the site's agents, by default as many
    as they like. Raises `CoTGapError` as `check` does, and where the folder cannot take this probe.
    """
    check(config, site.card)
    rules = ProbeRules(config)
    order = Order(rules, width or site.card.batch_size, env_workers, budget or Budget())
    with Folder(folder, LAYOUT, config.to_json(), {"versions": versions()}) as store:
        before = {record.id for record in read_records(folder) if record.error is None}
        keys = config.keys()
        watch.on_start(len(keys), len(before), store.notices)
        jobs = [VisitJob(key) for key in keys if str(key) not in before]
        interrupted = False
        try:
            for record in site.play(order, jobs, lambda: None):
                store.append(record.to_json())
                watch.on_task(record)
        except KeyboardInterrupt:
            interrupted = True

        def end() -> ProbeResult:
            found = conclude(folder, config, read_records(folder), interrupted=interrupted)
            write_json(folder / SUMMARY, found.to_json())
            return found

        result, stopped = ended(end)
    return replace(result, interrupted=interrupted or stopped)


@dataclass(frozen=True)
class ProbeRules:
    """How a probe's tasks are visited; can be sent elsewhere."""

    config: ProbeConfig

    @property
    def panels(self) -> tuple[PanelPlan, ...]:
        """The probe's."""
        return self.config.panels

    @property
    def timeout(self) -> float | None:
        """Seconds that a task may take."""
        return self.config.limits.timeout

    def rollout(self, job: VisitJob, agent: Agent) -> VisitRollout:
        """One of the probe's visits."""
        config, key = self.config, job.key
        visit = Visit(
            key=key,
            agent=agent,
            limits=config.limits,
            seed=config.seed,
            states=config.states,
            mode=config.mode,
            shots=shot_source(agent.protocol, config.seed)(key),
            elsewhere=_another(key),
        )
        return VisitRollout(visit, get_probe(config.probe).examine)

    def lost(self, job: VisitJob, card: AgentCard, failure: Failure) -> TaskRecord:
        """The record of a visit of which nothing is known but why."""
        return TaskRecord(job.id, error=failure.text)


def _another(key: TaskKey) -> str | None:
    """A task of the panel far from this one in its order; None where it has only one."""
    tasks = [task.id for task in get_panel(key.panel).tasks]
    place = tasks.index(key.task) if key.task in tasks else 0
    other = tasks[(place + len(tasks) // 2) % len(tasks)]
    return None if other == key.task else other


def conclude(
    folder: Path,
    config: ProbeConfig,
    records: Sequence[TaskRecord],
    *,
    interrupted: bool = False,
) -> ProbeResult:
    """The result of the records on disk."""
    good = {record.task_key: record for record in records if record.error is None}
    return ProbeResult(
        folder=folder,
        config=config,
        panels=tuple(_figures(config, plan, good) for plan in config.panels),
        planned=len(config.keys()),
        errors=tuple(record for record in records if record.error is not None),
        done=len(good),
        interrupted=interrupted,
    )


def load(folder: Path) -> ProbeResult:
    """A probe's folder, finished or not; raises `CoTGapError` where it is none or damaged."""
    return conclude(folder, read_config(folder), read_records(folder))


def read_config(folder: Path) -> ProbeConfig:
    """The configuration of a probe's folder; raises `CoTGapError` where there is none."""
    fields = dict(read_head(folder, LAYOUT)["config"])
    try:
        fields["limits"] = Limits(**fields["limits"])
        fields["panels"] = tuple(map(PanelPlan.from_json, fields["panels"]))
        return ProbeConfig(**fields)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CoTGapError(
            f"{folder / PROBE} is malformed ({error}). Give another --out, or delete that folder."
        ) from error


def read_records(folder: Path) -> list[TaskRecord]:
    """The latest record of each task; an unfinished last line is left out."""
    records = read_log(folder / TASKS, _record, "have the task visited again")
    return list({record.id: record for record in records}.values())


def _record(line: bytes) -> TaskRecord:
    return TaskRecord.from_json(json.loads(line))


def _figures(
    config: ProbeConfig, plan: PanelPlan, records: Mapping[str, TaskRecord]
) -> PanelFigures:
    panel = get_panel(plan.name)
    found = [records[key].rows for task in plan.tasks if (key := str(panel.key(task))) in records]
    skipped = Counter(row["skipped"] for rows in found for row in rows if "skipped" in row)
    counted = [[row for row in rows if "skipped" not in row] for rows in found]
    counted = [rows for rows in counted if rows]
    return PanelFigures(
        panel=plan.name,
        lock=plan.lock,
        tasks=len(found),
        states=sum(map(len, counted)),
        skipped=dict(sorted(skipped.items())),
        figures=tuple(get_probe(config.probe).figures(counted)),
    )

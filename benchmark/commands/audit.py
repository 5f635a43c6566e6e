"""`cotgap audit`: the floor and ceiling of panels, and what the expert cannot pass.

A suite without an expert has a floor alone.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rich.console import Console
from rich.table import Table

from cotgap.agents.agent import Agent
from cotgap.agents.core import Sampling
from cotgap.agents.specs import make_agent
from cotgap.benchmark.metrics import score as score_metric
from cotgap.benchmark.metrics.core import PROMPT
from cotgap.benchmark.options import EXIT_INCOMPLETE, AuditOptions
from cotgap.benchmark.records.config import Limits, plan_panel
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.report.progress import LiveProgress
from cotgap.benchmark.report.terminal import show
from cotgap.benchmark.rollout.episode import Decoding, EpisodeRollout, Job
from cotgap.benchmark.rollout.planning import check_usable
from cotgap.benchmark.rollout.runner import Tally
from cotgap.benchmark.rollout.scheduler import Scheduler
from cotgap.envs import audits
from cotgap.envs.audits import Audit, Played
from cotgap.envs.core import CoTGapError, Expert, Panel, Task
from cotgap.envs.registry import get_panel, get_suite, suites

EXPERT = "expert"
AGENTS = (EXPERT, "random", "noop")
ACTING = (EXPERT, "random")  # whose steps say what a step costs
NONE = "–"
DECODING = Decoding(Sampling(), Limits(), seed=0)


@dataclass(frozen=True)
class Audited:
    """One panel's audit and what it took: seconds of each reset and step of those that act."""

    audit: Audit
    resets: list[float]
    steps: list[float]


def execute(options: AuditOptions) -> int:
    """Audit panels (none named: all that are playable); the exit code says whether all were.

    A panel that has an audit under its current lock is left as it is, unless forced (as when its
    suite has got an expert since). The file is rewritten after each panel, so that a stopped audit
    goes on where it was.

    The suite's expert, if it has one, plays all tasks (or the first so many), because each one that
    it cannot pass is named; random and do-nothing, which are near 0, only the first `floor_tasks`.
    """
    watch, out = Console(stderr=True), options.out
    if options.episodes is not None and out.resolve() == audits.FILE.resolve():
        raise CoTGapError(f"--episodes N: {out} holds whole panels; give another --out")
    panels = [get_panel(name) for name in options.panel] or list(_playable(watch))
    auditor = Auditor(watch, options.floor_tasks, quiet=options.output.quiet)
    known, done, complete = audits.read(out), [], True
    for panel in panels:
        before = known.get(panel.name)
        if before and not options.force and auditor.covered(before, panel, options.episodes):
            done.append(Audited(before, [], []))
            continue
        check_usable([plan_panel(panel, options.episodes, None)])
        try:
            audited = auditor.audit(panel, options.episodes)
        except UnscoredError as error:
            complete = False
            watch.print(f"{panel.name}: {error}", style="red", markup=False, highlight=False)
            continue
        done.append(audited)
        known = {**audits.read(out), panel.name: audited.audit}
        audits.write(out, known)
    if options.output.as_json:
        print(json.dumps({a.audit.panel: a.audit.to_json() for a in done}, indent=2))
    else:
        _print(done, Console())
    return 0 if complete else EXIT_INCOMPLETE


class UnscoredError(Exception):
    """An episode of an audit had no score; the panel's audit is not written."""


def _playable(watch: Console) -> Iterator[Panel]:
    for suite in suites().values():
        now = suite.availability()
        if now.usable:
            yield from suite.panels.values()
        else:
            text = f"{suite.name} is left out: {now.reason}. To fix it: {now.fix}"
            watch.print(text, style="yellow", markup=False, highlight=False)


class Auditor:
    """Plays panels with the audit's agents; what two panels share is played once.

    A task is shared where a panel of that task alone would have the same lock.
    """

    def __init__(self, watch: Console, floor_tasks: int, *, quiet: bool) -> None:
        self._watch, self._quiet = watch, quiet
        self._most = {name: None if name == EXPERT else floor_tasks for name in AGENTS}
        self._known: dict[tuple[str, str], Episode] = {}

    def audit(self, panel: Panel, episodes: int | None) -> Audited:
        """Audit the first `episodes` tasks; raises `UnscoredError` where one has no score."""
        tasks = panel.tasks[:episodes]
        locks = {task.id: replace(panel, tasks=(task,)).lock for task in tasks}
        chosen = self._chosen(panel, episodes)
        plans = {
            name: [
                Job(panel.key(task.id), panel.lock, PROMPT, (), 0, task.kind)
                for task in own
                if (name, locks[task.id]) not in self._known
            ]
            for name, own in chosen.items()
        }
        resets, steps = self._play(panel, plans, locks)
        played = {
            name: [self._known[name, locks[task.id]] for task in own]
            for name, own in chosen.items()
        }
        beyond = (e.task_key.task for e in played.get(EXPERT, ()) if not e.success)
        with_score = score_metric.says_more([e for found in played.values() for e in found])
        audit = Audit(
            panel=panel.name,
            lock=panel.lock,
            size=len(panel),
            agents={name: _summary(found, with_score=with_score) for name, found in played.items()},
            beyond_expert=tuple(beyond),
        )
        return Audited(audit, resets, steps)

    def covered(self, audit: Audit, panel: Panel, episodes: int | None) -> bool:
        """Whether an audit is of this lock, and of as many tasks as are wanted."""
        first = EXPERT if EXPERT in audit.agents else "random"
        wanted = panel.tasks[:episodes][: self._most[first]]
        return audit.lock == panel.lock and audit.agents[first].n >= len(wanted)

    def _chosen(self, panel: Panel, episodes: int | None) -> dict[str, Sequence[Task]]:
        """The agents that can play a panel, and the tasks that they play."""
        env = get_suite(panel.suite).make(panel, list_actions=False)
        try:
            names = [name for name in AGENTS if name != EXPERT or isinstance(env, Expert)]
        finally:
            env.close()
        return {name: panel.tasks[:episodes][: self._most[name]] for name in names}

    def _play(
        self, panel: Panel, plans: Mapping[str, Sequence[Job]], locks: Mapping[str, str]
    ) -> tuple[list[float], list[float]]:
        """Play what is planned and keep the episodes, without their steps; (resets, steps)."""
        resets: list[float] = []
        steps: list[float] = []
        jobs = [job for planned in plans.values() for job in planned]
        if not jobs:
            return resets, steps
        if not self._quiet:
            self._watch.print(panel.name, style="bold", markup=False, highlight=False)
        with LiveProgress(self._watch, quiet=self._quiet) as live:
            live.on_start(len(jobs), Tally(), [])
            for name, planned in plans.items():
                agent = make_agent(name)
                rollouts = (EpisodeRollout(job, agent, DECODING) for job in planned)
                for episode in _scheduler(agent, live).run(rollouts):
                    if not episode.status.scored:
                        raise UnscoredError(f"{name} in {episode.task_key}: {episode.error}")
                    live.on_episode(episode)
                    lock = locks[episode.task_key.task]
                    self._known[name, lock] = replace(episode, steps=())
                    if name in ACTING:
                        resets.append(episode.reset_seconds)
                        steps += [step.env_seconds for step in episode.steps]
        return resets, steps


def _scheduler(agent: Agent, live: LiveProgress) -> Scheduler[Episode]:
    return Scheduler(
        agent,
        lambda key: get_suite(key.suite).make(get_panel(key.panel), list_actions=False),
        width=1,
        on_step=live.on_step,
    )


def _summary(episodes: Sequence[Episode], *, with_score: bool) -> Played:
    n, won = len(episodes), sum(episode.success for episode in episodes)
    score = score_metric.METRIC.estimate(episodes, (PROMPT,)) if with_score else None
    return Played(n, won, *((score.value, score.low, score.high) if score else ()))


def _print(done: Sequence[Audited], console: Console) -> None:
    table = _table("panel", "tasks", "expert", "beyond", "random", "noop", "n")
    times = _table("panel", "reset ms", "p95", "step ms", "p95")
    for audited in done:
        agents, name = audited.audit.agents, audited.audit.panel
        expert, random, noop = (
            show(agents[agent].won / agents[agent].n, "rate") if agent in agents else NONE
            for agent in AGENTS
        )
        beyond = str(len(audited.audit.beyond_expert)) if EXPERT in agents else NONE
        played, floor = str(max(own.n for own in agents.values())), str(agents["random"].n)
        table.add_row(name, played, expert, beyond, random, noop, floor)
        if audited.steps:
            times.add_row(name, *_times(audited.resets), *_times(audited.steps))
    console.print(table, highlight=False)
    console.print(
        "success; beyond: tasks that the expert does not pass; n: tasks of random and noop",
        style="dim",
    )
    if times.row_count:
        console.print()
        console.print(times, highlight=False)
        console.print("median and 95th percentile, wall clock, expert and random", style="dim")


def _table(panel: str, *columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    table.add_column(panel, overflow="fold")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _times(seconds: Sequence[float]) -> tuple[str, str]:
    """Median and 95th percentile, in milliseconds."""
    p95 = statistics.quantiles(seconds, n=20, method="inclusive")[-1]
    return f"{1000 * statistics.median(seconds):.3g}", f"{1000 * p95:.3g}"

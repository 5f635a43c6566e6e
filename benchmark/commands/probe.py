"""`benchmark probe`: resolve the options, visit the states, print the figures."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cotgap.agents.agent import Agent
from cotgap.agents.modes import get_mode
from cotgap.agents.specs import make_agent
from cotgap.benchmark.commands.run import check_usable
from cotgap.benchmark.probes.core import check_backend, check_environment, get_probe
from cotgap.benchmark.probes.driving import TaskRecord
from cotgap.benchmark.probes.running import ProbeConfig, ProbeResult, Watch, run_probe
from cotgap.benchmark.probes.tables import print_probe
from cotgap.benchmark.records.config import Limits, PanelPlan, plan_panel
from cotgap.benchmark.report.progress import PLAIN_SECONDS
from cotgap.envs.core import CoTGapError
from cotgap.envs.registry import get_panel, get_suite


@dataclass(frozen=True)
class ProbeOptions:
    """The options of the command line, as given; see `cotgap probe --help`."""

    probe: str
    agent: str
    panels: tuple[str, ...]
    episodes: int | None
    states: int | None
    mode: str
    max_steps: int | None
    out: Path | None
    seed: int
    protocol: str | None
    action_tokens: int
    thought_tokens: int
    batch_size: int | None
    dtype: str | None
    device: str | None
    threads: int | None
    cache_memory: float | None


def execute(options: ProbeOptions, *, as_json: bool, quiet: bool) -> bool:
    """Probe; returns whether every planned task was visited."""
    watch = Console(stderr=True)
    get_mode(options.mode)  # an unknown one is said at once
    plans = plan_panels(options.panels, options.episodes, options.max_steps, [options.probe])
    agent = make_agent(
        options.agent,
        protocol=options.protocol,
        dtype=options.dtype,
        device=options.device,
        batch_size=options.batch_size,
        threads=options.threads,
        cache_memory=options.cache_memory,
    )
    try:
        config = configure(options, agent, plans)
        check_backend(get_probe(config.probe), agent)
        folder = options.out or default_folder(options.agent, config)
        if not quiet:
            line = f"probe {config.probe}, agent {agent.name} → {folder}"
            watch.print(line, style="bold", markup=False, highlight=False)
            if agent.notice:
                watch.print(agent.notice, style="yellow", markup=False, highlight=False)
        with TaskProgress(watch, quiet=quiet) as live:
            result = run_probe(agent, config, folder, live.watch, width=options.batch_size)
    finally:
        agent.close()
    _report(result, watch, as_json=as_json)
    return result.complete


def plan_panels(
    names: Sequence[str], episodes: int | None, max_steps: int | None, probes: Sequence[str]
) -> tuple[PanelPlan, ...]:
    """The tasks of each panel; raises `CoTGapError` for what is unknown, unusable or unfit.

    Everything cheap is checked before a model is loaded.
    """
    found = [get_probe(name) for name in probes]
    plans = tuple(plan_panel(get_panel(name), episodes, max_steps) for name in dict.fromkeys(names))
    check_usable(plans)
    for plan in plans:
        panel = get_panel(plan.name)
        env = get_suite(panel.suite).make(panel, list_actions=False)
        try:
            for probe in found:
                check_environment(probe, env)
        finally:
            env.close()
    return plans


def configure(options: ProbeOptions, agent: Agent, plans: tuple[PanelPlan, ...]) -> ProbeConfig:
    """The probe's resolved configuration."""
    probe = get_probe(options.probe)
    return ProbeConfig(
        probe=probe.name,
        version=probe.version,
        agent=agent.describe(),
        protocol=str(agent.protocol),
        panels=plans,
        states=options.states,
        mode=options.mode,
        limits=Limits(options.action_tokens, options.thought_tokens),
        seed=options.seed,
    )


def default_folder(agent: str, config: ProbeConfig) -> Path:
    """`runs/probe-NAME-AGENT-DIGEST`: the same command finds its own folder again."""
    label = re.sub(r"[^\w.-]+", "-", Path(agent).name).strip("-.") or "agent"
    folder = Path("runs") / f"probe-{config.probe}-{label}-{config.digest[:8]}"
    if folder.exists() and not folder.is_dir():
        raise CoTGapError(f"{folder} is a file. Give a folder with --out.")
    return folder


def _report(result: ProbeResult, watch: Console, *, as_json: bool) -> None:
    if result.interrupted:
        watch.print("stopped. Run the same command again to go on.", style="yellow")
    if as_json:
        print(json.dumps(result.to_json(), indent=2, ensure_ascii=False))
    else:
        print_probe(result, Console())


class TaskProgress:
    """Shows tasks visited and the time left; a context manager."""

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._console, self._quiet = console, quiet
        self._live = console.is_terminal and not quiet
        self._bar = Progress(
            TextColumn("tasks"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not self._live,
            expand=True,
        )
        self._task = self._bar.add_task("tasks")
        self._planned = self._done = 0
        self._spoken = monotonic()

    @property
    def watch(self) -> Watch:
        """What to give to `run_probe`."""
        return Watch(self._on_start, self._on_task)

    def __enter__(self) -> TaskProgress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def _on_start(self, planned: int, done: int, notices: Sequence[str]) -> None:
        self._planned, self._done = planned, done
        self._bar.update(self._task, total=planned, completed=done)
        for notice in notices:
            self._say(notice)
        if done:
            self._say(f"resuming: {done} of {planned} tasks are already on disk")

    def _on_task(self, record: TaskRecord) -> None:
        self._done += 1
        self._bar.update(self._task, completed=self._done)
        if record.error:
            self._say(f"{record.task_key}: {record.error}".partition("\n")[0])
        over = monotonic() - self._spoken > PLAIN_SECONDS or self._done == self._planned
        if not self._live and over:
            self._spoken = monotonic()
            self._say(f"{self._done}/{self._planned} tasks")

    def _say(self, text: str) -> None:
        if not self._quiet:
            self._console.print(text, style="dim", markup=False, highlight=False)

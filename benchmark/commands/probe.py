"""`cotgap probe`: resolve the options, visit the states, print the figures."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cotgap.agents.agent import AgentCard
from cotgap.agents.modes import get_mode
from cotgap.benchmark.commands.folders import default_folder, label
from cotgap.benchmark.commands.run import make_budget, placement, recipe, spent
from cotgap.benchmark.options import EXIT_INCOMPLETE, PanelOptions, ProbeOptions
from cotgap.benchmark.probes.core import check_backend, check_environment, get_probe
from cotgap.benchmark.probes.driving import TaskRecord
from cotgap.benchmark.probes.running import ProbeConfig, Watch, run_probe
from cotgap.benchmark.probes.tables import print_probe
from cotgap.benchmark.records.config import Limits, PanelPlan
from cotgap.benchmark.report.progress import PLAIN_SECONDS
from cotgap.benchmark.rollout.engines import open_site
from cotgap.benchmark.rollout.planning import plan_panels
from cotgap.envs.registry import get_panel, get_suite
from cotgap.envs.text import to_json


def execute(options: ProbeOptions) -> int:
    """Probe; the exit code says whether every planned task was visited."""
    watch, quiet = Console(stderr=True), options.output.quiet
    get_mode(options.mode)  # an unknown one is said at once
    plans = plan_probed(options.tasks, [options.probe])
    budget = make_budget(options.budget)
    site = open_site(options.engine.engine, recipe(options.agent), placement(options.engine))
    try:
        card = site.card
        config = _configure(options, card, plans)
        check_backend(get_probe(config.probe), card)
        stem = f"probe-{config.probe}-{label(options.agent.agent)}"
        folder = options.out or default_folder(stem, config.digest)
        if not quiet:
            line = f"probe {config.probe}, agent {card.name} → {folder}"
            watch.print(line, style="bold", markup=False, highlight=False)
            if card.notice:
                watch.print(card.notice, style="yellow", markup=False, highlight=False)
        with TaskProgress(watch, quiet=quiet) as live:
            result = run_probe(
                site,
                config,
                folder,
                live.watch,
                width=options.agent.loading.batch_size,
                env_workers=options.engine.env_workers,
                budget=budget,
            )
    finally:
        site.close()
    if result.interrupted:
        watch.print("stopped. Run the same command again to go on.", style="yellow")
    elif budget.spent and not result.complete:
        watch.print(spent(budget), style="yellow")
    if options.output.as_json:
        print(to_json(result.to_json(), indent=2))
    else:
        print_probe(result, Console())
    return 0 if result.complete else EXIT_INCOMPLETE


def plan_probed(tasks: PanelOptions, probes: Sequence[str]) -> tuple[PanelPlan, ...]:
    """The tasks of each panel; raises `CoTGapError` for what is unknown, unusable or unfit.

    Everything cheap is checked before a model is loaded.
    """
    found = [get_probe(name) for name in probes]
    plans = plan_panels(tasks.names, tasks.episodes, tasks.max_steps)
    for plan in plans:
        panel = get_panel(plan.name)
        env = get_suite(panel.suite).make(panel, list_actions=False)
        try:
            for probe in found:
                check_environment(probe, env)
        finally:
            env.close()
    return plans


def _configure(options: ProbeOptions, card: AgentCard, plans: tuple[PanelPlan, ...]) -> ProbeConfig:
    probe = get_probe(options.probe)
    return ProbeConfig(
        probe=probe.name,
        version=probe.version,
        agent=card.description,
        protocol=str(card.protocol),
        panels=plans,
        states=options.states,
        mode=options.mode,
        limits=Limits(
            options.limits.action_tokens, options.limits.thought_tokens, options.engine.timeout
        ),
        seed=options.seed,
    )


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

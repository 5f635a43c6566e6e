"""`cotgap sweep`: measure a series of checkpoints, and answer the paper's questions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from cotgap.agents.agent import AgentCard
from cotgap.benchmark.commands.folders import default_folder
from cotgap.benchmark.commands.probe import TaskProgress, plan_probed
from cotgap.benchmark.commands.run import make_budget, placement, spent
from cotgap.benchmark.options import EXIT_INCOMPLETE, SweepOptions
from cotgap.benchmark.probes.running import Watch
from cotgap.benchmark.records.config import Limits
from cotgap.benchmark.records.store import SUMMARY, read_episodes
from cotgap.benchmark.report.progress import LiveProgress
from cotgap.benchmark.rollout.runner import Progress
from cotgap.benchmark.sweeps import rescore
from cotgap.benchmark.sweeps.alarm import Alarm, alarms
from cotgap.benchmark.sweeps.questions import Answer, answers
from cotgap.benchmark.sweeps.running import (
    Measuring,
    SweepConfig,
    Watchers,
    complete,
    digest,
    measure,
    open_folder,
    outcomes,
    run_folder,
)
from cotgap.benchmark.sweeps.series import Checkpoint, find
from cotgap.benchmark.sweeps.table import table, write
from cotgap.benchmark.sweeps.tables import (
    print_alarms,
    print_answers,
    print_rescored,
    print_series,
    print_trends,
)
from cotgap.benchmark.sweeps.trends import Trend, trends
from cotgap.envs.files import write_json
from cotgap.envs.text import to_json


def execute(options: SweepOptions) -> int:
    """Sweep; the exit code says whether every checkpoint's run and probes are complete."""
    watch, quiet = Console(stderr=True), options.output.quiet
    checkpoints = find(options.checkpoints, [*filter(None, options.order.split(","))])
    probes = tuple(dict.fromkeys(options.probe))
    config = SweepConfig(
        panels=plan_probed(options.tasks, probes),
        probes=probes,
        states=options.states,
        limits=Limits(
            options.limits.action_tokens, options.limits.thought_tokens, options.engine.timeout
        ),
        protocol=options.protocol,
        seed=options.seed,
        dtype=options.loading.dtype,
    )
    folder = options.out or default_folder("sweep", digest(config, options.checkpoints))
    with open_folder(folder, config, checkpoints) as listed:
        if not quiet:
            line = f"sweep of {len(listed)} checkpoints → {folder}"
            watch.print(line, style="bold", markup=False, highlight=False)
        _measure(folder, config, listed, options, watch)
        done = all(complete(folder, config, checkpoint) for checkpoint in listed)
        _conclude(folder, config, listed, options, done=done)
    return 0 if done else EXIT_INCOMPLETE


def _measure(
    folder: Path,
    config: SweepConfig,
    checkpoints: Sequence[Checkpoint],
    options: SweepOptions,
    watch: Console,
) -> None:
    """Measure one checkpoint after the other, until it is stopped or the budget is spent."""
    how = Measuring(
        options.loading,
        options.engine.engine,
        placement(options.engine),
        options.engine.env_workers,
        make_budget(options.budget),
    )
    watchers = _watchers(watch, quiet=options.output.quiet)
    for checkpoint in checkpoints:
        try:
            stopped = measure(folder, config, checkpoint, how, watchers)
        except KeyboardInterrupt:  # while a checkpoint was loaded
            stopped = True
        if stopped:
            watch.print("stopped. Run the same command again to go on.", style="yellow")
            break
        if how.budget.spent:
            watch.print(spent(how.budget), style="yellow")
            break


def _watchers(console: Console, *, quiet: bool) -> Watchers:
    def announce(checkpoint: Checkpoint, card: AgentCard | None) -> None:
        if not quiet:
            state = "" if card else ": already measured"
            text = f"{checkpoint.label} (series {checkpoint.series}, step {checkpoint.step}){state}"
            console.print(text, markup=False, highlight=False)
        if card is not None and card.notice and not quiet:
            console.print(card.notice, style="yellow", markup=False, highlight=False)

    @contextmanager
    def playing() -> Iterator[Progress]:
        with LiveProgress(console, quiet=quiet) as live:
            yield Progress(live.on_start, live.on_step, live.on_episode)

    @contextmanager
    def probing() -> Iterator[Watch]:
        with TaskProgress(console, quiet=quiet) as live:
            yield live.watch

    return Watchers(announce, playing, probing)


def _conclude(
    folder: Path,
    config: SweepConfig,
    checkpoints: Sequence[Checkpoint],
    options: SweepOptions,
    *,
    done: bool,
) -> None:
    """Write the table and the answers, and print them."""
    frame = table(folder, config, checkpoints)
    path = write(folder, frame)
    found = list(outcomes(folder, config, checkpoints))
    replies, warnings = answers(found, options.margin / 100), alarms(found)
    changes = list(trends(found))
    rescored = _rescored(folder, config, checkpoints) if options.rescore else {}
    summary = _summary(replies, changes, warnings, rescored, done=done)
    write_json(folder / SUMMARY, summary)
    if options.output.as_json:
        print(to_json(summary, indent=2))
        return
    console = Console()
    print_series(frame, console)
    print_answers(replies, console)
    print_trends(changes, console)
    print_alarms(warnings, console)
    print_rescored(rescored, console)
    if not done:
        console.print(
            "incomplete: what is above rests on what was measured so far. "
            "Run the same command again to go on.",
            style="bold yellow",
        )
    console.print(f"every number: {path}", style="dim", markup=False, highlight=False)


def _rescored(
    folder: Path, config: SweepConfig, checkpoints: Sequence[Checkpoint]
) -> dict[str, list[rescore.Rescored]]:
    found: dict[str, list[rescore.Rescored]] = {}
    for checkpoint in checkpoints:
        episodes = read_episodes(run_folder(folder, checkpoint))
        for plan in config.panels:
            own = [e for e in episodes if e.task_key.panel == plan.name]
            found.setdefault(checkpoint.label, []).extend(rescore.rescore(own, plan.step_limit))
    return found


def _summary(
    replies: Sequence[Answer],
    changes: Sequence[Trend],
    warnings: Sequence[Alarm],
    rescored: Mapping[str, Sequence[rescore.Rescored]],
    *,
    done: bool,
) -> dict[str, Any]:
    return {
        "complete": done,
        "answers": [{**asdict(answer), "verdict": answer.verdict} for answer in replies],
        "trends": [asdict(one) for one in changes],
        "alarms": [
            {
                "checkpoint": alarm.checkpoint.label,
                "raised": alarm.raised,
                "changes": {name: asdict(change) for name, change in alarm.changes.items()},
            }
            for alarm in warnings
        ],
        "rescored": {label: [asdict(one) for one in found] for label, found in rescored.items()},
    }

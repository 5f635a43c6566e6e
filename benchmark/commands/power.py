"""`cotgap power`: how many tasks and repeats a question needs, and what a panel can answer."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cotgap.benchmark.compare.gate import check_margin
from cotgap.benchmark.compare.sides import read_side
from cotgap.benchmark.metrics.core import Metric, get_metric, metrics
from cotgap.benchmark.metrics.kinds import Rate
from cotgap.benchmark.options import PowerOptions
from cotgap.benchmark.stats.power import (
    Assumption,
    assumptions,
    effect_of_tasks,
    margin_of_tasks,
    needed,
    tasks_for_effect,
    tasks_for_margin,
)
from cotgap.envs.core import CoTGapError, UnknownNameError
from cotgap.envs.registry import get_panel

Range = tuple[float | None, float | None]
"""At best, at worst; they are equal unless repeats help by an unknown amount."""


@dataclass(frozen=True)
class Plan:
    """What is needed and what can be had, under one assumption; in tasks, and fractions.

    `tasks` find the effect, `effect` is the smallest that the panel finds; `margin_tasks` show the
    margin, `margin` is the smallest that the panel shows (both None without a margin).
    """

    assumption: Assumption
    tasks: Range
    effect: Range
    margin_tasks: Range | None = None
    margin: Range | None = None


def execute(options: PowerOptions) -> None:
    """Plan, and print the table; raises `CoTGapError` on a bad panel, run, mode or number."""
    metric, size = _planned(options.metric), len(get_panel(options.panel))
    if not 0 < options.effect <= 100:
        raise CoTGapError(
            f"--effect {options.effect:g}: give percentage points, above 0 and at most 100"
        )
    if options.mode is not None and options.baseline is None:
        raise CoTGapError("--mode says which episodes of --baseline RUN count; give that, too")
    margin = None if options.margin is None else check_margin(options.margin)
    mode, successes = options.mode, list[tuple[int, int]]()
    if options.baseline is not None:
        mode, successes = _counts(options.baseline, options.panel, mode, metric)
    effect = options.effect / 100
    plans = [plan(one, size, effect, margin, options.repeats) for one in assumptions(successes)]
    if options.output.as_json:
        content = {
            "panel": options.panel,
            "size": size,
            "repeats": options.repeats,
            "effect": effect,
            "margin": margin,
            "baseline_tasks": len(successes),
            "baseline_mode": mode,
            "plans": [asdict(one) for one in plans],
        }
        print(json.dumps(content, indent=2))
        return
    known = f"from {len(successes)} tasks of the baseline, in mode {mode}"
    source = known if successes else "assumed: no baseline was given"
    _print(plans, size, options, source)


def plan(
    assumption: Assumption, size: int, effect: float, margin: float | None, repeats: int
) -> Plan:
    """Everything under one assumption, for a panel of `size` tasks."""
    low, high = assumption.worth(repeats)
    d = assumption.discordance
    tasks = tasks_for_effect(effect, d)
    found = Plan(
        assumption,
        tasks=(needed(tasks, high), needed(tasks, low)),
        effect=(effect_of_tasks(size * high, d), effect_of_tasks(size * low, d)),
    )
    if margin is None:
        return found
    shown = tasks_for_margin(margin, d)
    return Plan(
        assumption,
        found.tasks,
        found.effect,
        (needed(shown, high), needed(shown, low)),
        (margin_of_tasks(size * high, d), margin_of_tasks(size * low, d)),
    )


def _counts(
    folder: Path, panel: str, mode: str | None, metric: Metric
) -> tuple[str, list[tuple[int, int]]]:
    """The mode (by default the first), and (successes, repeats) of each task there."""
    side = read_side(folder)
    modes = side.config.modes
    if mode is not None and mode not in modes:
        raise UnknownNameError(f"mode of {folder}:", mode, modes)
    names = [plan.name for plan in side.config.panels]
    if panel not in names:
        raise UnknownNameError(f"panel of {folder}:", panel, names)
    wanted = mode or modes[0]
    counts = metric.counts((e for e in side.episodes if e.task_key.panel == panel), (wanted,))
    if not counts:
        raise CoTGapError(f"{folder} has no episode with a score on {panel} in mode {wanted}")
    return wanted, [(int(x), int(n)) for x, n in counts.values()]


def _planned(name: str) -> Metric:
    """The metric to plan for: one that counts whole episodes, each of which is a trial."""
    metric = get_metric(name)
    able = [m.name for m in metrics().values() if type(m) is Rate and m.over == "episodes"]
    if metric.name not in able:
        raise CoTGapError(
            f"--metric {name}: plans are for shares of episodes: {', '.join(able)}. Of any other "
            "metric, `cotgap compare` says what two runs could have found"
        )
    return metric


def _print(plans: list[Plan], size: int, options: PowerOptions, source: str) -> None:
    console, margin = Console(), options.margin
    times = "once" if options.repeats == 1 else f"{options.repeats} times"
    console.print(Text(f"{options.panel}: {size} tasks, each played {times}", style="bold"))
    console.print(Text(f"how many tasks differ between two runs: {source}", style="dim"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("if two runs differ")
    for title in (
        "in tasks",
        f"tasks for\n{options.effect:g} pp",
        "this panel\nfinds (pp)",
        *(
            ()
            if margin is None
            else (f"tasks for\nmargin {margin:g}", "this panel shows\nmargin (pp)")
        ),
    ):
        table.add_column(title, justify="right", no_wrap=True)
    for one in plans:
        cells = [
            one.assumption.name,
            f"{one.assumption.discordance:.1%}",
            _tasks(one.tasks),
            _points(one.effect),
        ]
        if one.margin_tasks is not None and one.margin is not None:
            cells += [_tasks(one.margin_tasks), _points(one.margin)]
        table.add_row(*map(Text, cells))
    console.print(table)
    console.print(
        Text(
            "80 % power; effects: exact McNemar test, two-sided 5 %"
            + ("" if margin is None else "; margins: one-sided 5 %, if the two are equal"),
            style="dim",
        )
    )
    if options.repeats > 1 and any(one.assumption.luck is None for one in plans):
        console.print(
            Text(
                "a…b: if all of what differs is luck, which repeats average out, and if none is. "
                "A --baseline with repeats says which.",
                style="dim",
            )
        )


def _tasks(found: Range) -> str:
    return _range("> 1,000,000" if x is None else f"{x:,.0f}" for x in found)


def _points(found: Range) -> str:
    return _range("nothing" if x is None else f"{100 * x:.1f}" for x in found)


def _range(texts: Iterable[str]) -> str:
    return "…".join(dict.fromkeys(texts))

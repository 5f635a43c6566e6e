"""A sweep on a terminal: the series, the answers, the alarm, the rescored numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cotgap.benchmark.metrics.core import PAIR, Unit, part_name
from cotgap.benchmark.report.terminal import difference, interval, p_value, show
from cotgap.benchmark.stats.intervals import Estimate
from cotgap.benchmark.sweeps.alarm import DOC, Alarm
from cotgap.benchmark.sweeps.questions import CONTRADICTED, SUPPORTED, Answer
from cotgap.benchmark.sweeps.rescore import Rescored
from cotgap.benchmark.sweeps.trends import Trend

# (heading, source, quantity, part) of the columns beside each checkpoint.
SHOWN = (
    ("prompt", "run", "success", "prompt"),
    ("CoT", "run", "success", "cot"),
    ("gap", "run", "cot_gap", part_name(PAIR)),
    ("revised", "run", "revision", part_name(PAIR)),
    ("followed", "conflict", "followed", "rationale"),
    ("own", "conflict", "followed", "own"),
)
STYLES = {SUPPORTED: "green", CONTRADICTED: "red"}


def print_series(frame: pd.DataFrame, console: Console) -> None:
    """Each panel: a row for each checkpoint, with intervals."""
    for (panel, relation), part in frame.groupby(["panel", "relation"], sort=False):
        console.print()
        console.print(Text.assemble((str(panel), "bold"), f"  {relation}"), soft_wrap=True)
        columns = [one for one in SHOWN if _picked(part, one).any()]
        table = _table("series", "step")
        for heading, *_ in columns:
            table.add_column(heading, justify="right", no_wrap=True)
        for _, rows in part.groupby("checkpoint", sort=False):
            name = (str(rows[key].iloc[0]) for key in ("series", "step"))
            table.add_row(*name, *(_cell(rows, column) for column in columns))
        console.print(table)


def print_answers(answers: Sequence[Answer], console: Console) -> None:
    """Each claim, what the checkpoints say of it, and with which effect."""
    console.print()
    console.print(Text("the paper's questions", style="bold"))
    for answer in answers:
        style = STYLES.get(answer.verdict, "yellow")
        console.print(
            Text.assemble(f"{answer.question}. {answer.claim}: ", (answer.verdict, style)),
            soft_wrap=True,
        )
        where = ", ".join(filter(None, (answer.quantity, answer.series, answer.panels)))
        console.print(
            f"   {where}: {_effect(answer)}",
            style="dim",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    console.print(
        "changes: late − early checkpoints, a linear contrast by task (in 4: masked − unmasked); "
        "p after Holm's adjustment for all of these tests",
        style="dim",
        highlight=False,
    )


def print_trends(trends: Sequence[Trend], console: Console) -> None:
    """Every metric's rise over each series."""
    for series in dict.fromkeys(one.series for one in trends):
        own = [one for one in trends if one.series == series]
        console.print()
        console.print(Text(f"every metric over series {series}, {own[0].panels}", style="bold"))
        table = _table("metric")
        for heading in ("late − early", "95 % CI", "p", "tasks"):
            table.add_column(heading, justify="right", no_wrap=True)
        for one in own:
            table.add_row(
                one.title,
                difference(one.effect.value, one.unit),
                interval(one.effect, one.unit, difference),
                "" if one.effect.p is None else p_value(one.effect.p).lstrip("= "),
                str(one.effect.n),
            )
        console.print(table)
    if trends:
        console.print("p: one look each, not adjusted", style="dim", highlight=False)


def print_alarms(alarms: Sequence[Alarm], console: Console) -> None:
    """The checkpoints that raise it, with what changed."""
    raised = [alarm for alarm in alarms if alarm.raised]
    console.print()
    if not raised:
        console.print("shortcut alarm: not raised", style="dim")
    for alarm in raised:
        changes = ", ".join(f"{name} {_points(e)}" for name, e in alarm.changes.items())
        console.print(
            f"shortcut alarm: {alarm.checkpoint.label}: {changes}",
            style="bold red",
            markup=False,
            highlight=False,
        )
    if raised:
        console.print(DOC, style="dim", markup=False, highlight=False)


def print_rescored(rescored: Mapping[str, Sequence[Rescored]], console: Console) -> None:
    """Each checkpoint's results under other protocols, beside what was published under them."""
    for label, found in rescored.items():
        console.print()
        console.print(Text(f"{label} under other protocols", style="bold"))
        table = _table("panel", "mode", "protocol")
        for heading in ("", "95 % CI", "n", "published"):
            table.add_column(heading, justify="right", no_wrap=True)
        for one in found:
            published = ", ".join(f"{show(p.value, 'rate')}" for p in one.published)
            table.add_row(
                one.panel,
                one.mode,
                one.protocol,
                show(one.estimate.value, one.unit),
                interval(one.estimate, one.unit),
                str(one.estimate.n),
                published,
            )
        console.print(table)
    sources = {p for found in rescored.values() for one in found for p in one.published}
    for source in sorted(sources, key=lambda p: p.who):
        console.print(
            f"{show(source.value, 'rate')} (n {source.n}): {source.who}; {source.but}. "
            f"{source.source}",
            style="dim",
            markup=False,
            highlight=False,
        )


def _table(*names: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for name in names:
        table.add_column(name, overflow="fold", min_width=len(name))
    return table


def _picked(frame: pd.DataFrame, column: tuple[str, str, str, str]) -> pd.Series[bool]:
    _, source, quantity, part = column
    return (frame["source"] == source) & (frame["quantity"] == quantity) & (frame["part"] == part)


def _cell(rows: pd.DataFrame, column: tuple[str, str, str, str]) -> str:
    found = rows[_picked(rows, column)]
    if found.empty:
        return "–"
    row = found.iloc[0]
    unit: Unit = "points" if row["unit"] == "points" else "rate"
    value = show(float(row["value"]), unit, bare=True)
    if pd.isna(row["low"]) or pd.isna(row["high"]):
        return f"{value} (n {row['n']})"
    low, high = (f"{100 * float(row[side]):.0f}" for side in ("low", "high"))
    return f"{value}\n{low}…{high}"


def _effect(answer: Answer) -> str:
    """The change with its interval, test and n, or why there is none."""
    if answer.effect is None:
        return answer.note
    counted = f"{answer.effect.n} {answer.effect.unit}"
    return ", ".join(
        filter(None, (_points(answer.effect), answer.p_in_words, counted, answer.note))
    )


def _points(estimate: Estimate) -> str:
    return f"{show(estimate.value, 'points')} ({interval(estimate, 'points')})"

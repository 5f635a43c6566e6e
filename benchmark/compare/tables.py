"""A comparison as tables on a terminal."""

from __future__ import annotations

from collections.abc import Callable

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cotgap.benchmark.compare.comparison import Comparison, PanelComparison
from cotgap.benchmark.compare.flips import Flip
from cotgap.benchmark.compare.gate import Verdict
from cotgap.benchmark.compare.words import (
    SHORT_COLUMNS,
    flip_row,
    heading,
    headline,
    row,
    sentence,
    warnings,
)
from cotgap.benchmark.report.text import clip

SHOWN_FLIPS = 10  # of a panel; --json and --markdown have more
STYLES = {
    Verdict.NO_WORSE: "bold green",
    Verdict.WORSE: "bold red",
    Verdict.CANNOT_TELL: "bold yellow",
    Verdict.INCOMPLETE: "bold yellow",
}


def print_comparison(
    found: Comparison, console: Console, link: Callable[[Flip], str | None] = lambda flip: None
) -> None:
    """Print notices, a table for each panel, its flipped tasks, and the gates last."""
    for word, side in (("A baseline", found.a), ("B candidate", found.b)):
        console.print(Text.assemble((f"{word:12}", "dim"), (side.name, "bold"), f"  {side.folder}"))
    for notice in found.notices:
        console.print(Text(f"note: {notice}", style="yellow"))
    for warning in warnings(found):
        console.print(Text(warning, style="bold yellow"))
    for panel in found.panels:
        console.print()
        console.print(Text(heading(panel), style="bold"))
        console.print(_table(panel))
        _print_flips(panel, console, link)
    if not found.gates:
        return
    console.print()
    for gate in found.gates:
        console.print(
            Text.assemble(
                (f"{clip(gate.panel)} {gate.name}: ", "bold"),
                (sentence(gate), STYLES[gate.verdict].removeprefix("bold ")),
            )
        )
    if found.verdict is not None:
        console.print(Text(headline(found), style=STYLES[found.verdict]))


def _table(panel: PanelComparison) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for number, column in enumerate(SHORT_COLUMNS):
        table.add_column(column, justify="right" if number else "left", no_wrap=number > 0)
    for difference in panel.differences:
        table.add_row(*map(Text, row(difference)))
    return table


def _print_flips(
    panel: PanelComparison, console: Console, link: Callable[[Flip], str | None]
) -> None:
    if not panel.flips:
        console.print(Text("no task flipped", style="dim"))
        return
    lost = sum(flip.direction == "won → lost" for flip in panel.flips)
    gained = len(panel.flips) - lost
    console.print(Text(f"flipped: {lost} won → lost, {gained} lost → won", style="dim"))
    for flip in panel.flips[:SHOWN_FLIPS]:
        task, change, parting = flip_row(flip)
        console.print(
            Text.assemble(f"  {task}  ", (change, "bold"), f"  {parting}"), soft_wrap=True
        )
        if (found := link(flip)) is not None:
            console.print(Text(f"    {found}", style="dim"), soft_wrap=True)
    if len(panel.flips) > SHOWN_FLIPS:
        console.print(Text(f"  and {len(panel.flips) - SHOWN_FLIPS} more (--json lists all)"))

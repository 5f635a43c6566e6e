"""A probe's result on a terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cotgap.benchmark.metrics.core import Unit
from cotgap.benchmark.probes.core import Figure, get_probe
from cotgap.benchmark.probes.running import PanelFigures, ProbeResult
from cotgap.benchmark.report.terminal import interval, show
from cotgap.benchmark.stats.intervals import Estimate

SHOWN_ERRORS = 5


def print_probe(result: ProbeResult, console: Console) -> None:
    """Print each panel's figures, then what is missing."""
    probe = get_probe(result.config.probe)
    agent = result.config.agent.get("name", "")
    for panel in result.panels:
        console.print()
        console.print(
            Text.assemble(
                (f"{probe.name}: {probe.title}", "bold"),
                f"  {panel.panel} · {agent} · {panel.tasks} tasks · {panel.states} states · "
                f"{result.config.protocol} · lock {panel.lock[:8]}",
            ),
            soft_wrap=True,
        )
        _print_panel(panel, console)
    console.print()
    if result.complete:
        console.print(f"complete: all {result.planned} tasks", style="dim", highlight=False)
    else:
        console.print(
            f"incomplete: {result.done} of {result.planned} tasks, {len(result.errors)} ended in "
            "an error. Run the same command again to go on.",
            style="bold yellow",
        )
    for record in result.errors[:SHOWN_ERRORS]:
        first = (record.error or "").partition("\n")[0]
        console.print(f"  {record.task_key}: {first}", markup=False, highlight=False)
    console.print(f"records: {result.folder}", style="dim", markup=False, highlight=False)


def _print_panel(panel: PanelFigures, console: Console) -> None:
    shown = [figure for figure in panel.figures if not figure.detail]
    if shown:
        console.print(_table(shown))
    else:
        console.print("nothing to count", style="yellow")
    for figure in shown:
        if figure.unit == "points":
            console.print(_verdict(figure), style="dim", highlight=False)
    if panel.skipped:
        reasons = ", ".join(f"{count} {reason}" for reason, count in panel.skipped.items())
        console.print(f"states left out: {reasons}", style="dim", markup=False, highlight=False)
    if len(shown) < len(panel.figures):
        console.print("layer by layer: --json", style="dim", markup=False)


def _table(figures: list[Figure]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("", no_wrap=True)
    table.add_column("", justify="right", style="bold", no_wrap=True)
    table.add_column("95 % CI", justify="right", no_wrap=True)
    table.add_column("n", style="dim", no_wrap=True)
    group = ""
    for figure in figures:
        if figure.group != group:
            group = figure.group
            table.add_row(Text(group, style="italic"))
        table.add_row(f"  {figure.name}", *cells(figure.estimate, figure.unit))
    return table


def cells(estimate: Estimate, unit: Unit) -> tuple[str, str, str]:
    """Value, interval and n of an estimate."""
    where = f" in {estimate.clusters} tasks" if estimate.clusters else ""
    n = f"{estimate.n:,} {estimate.unit}{where}"
    return show(estimate.value, unit), interval(estimate, unit), n


def _verdict(figure: Figure) -> str:
    estimate = figure.estimate
    p = "" if estimate.p is None else f"sign-flip p = {estimate.p:.3f}; "
    can = (
        "cannot detect any difference"
        if estimate.mde is None
        else f"minimum detectable effect {100 * estimate.mde:.1f} pp (80 % power)"
    )
    return f"{figure.name}, {figure.group}: {p}{estimate.n} {estimate.unit}: {can}"

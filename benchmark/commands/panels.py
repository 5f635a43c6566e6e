"""`cotgap panels`: what can be played."""

from __future__ import annotations

import json

from rich.console import Console
from rich.table import Table

from cotgap.benchmark.options import PanelsOptions
from cotgap.envs.core import Panel, Suite
from cotgap.envs.registry import get_suite, suites


def execute(options: PanelsOptions) -> None:
    """Print suites and panels."""
    chosen = [get_suite(options.suite)] if options.suite else list(suites().values())
    if options.output.as_json:
        print(json.dumps([_describe(suite) for suite in chosen], indent=2))
        return
    console = Console()
    for suite in chosen:
        _print_suite(suite, console, every=options.every)


def _print_suite(suite: Suite, console: Console, *, every: bool) -> None:
    now = suite.availability()
    state = "[green]usable[/]" if now.usable else "[red]not usable[/]"
    needs = f" · extra {suite.extra}" if suite.extra else ""
    console.print(
        f"[bold]{suite.name}[/] {state} · {suite.env_id} · version {suite.version}{needs}"
    )
    console.print(f"  {suite.provenance}", style="dim", highlight=False)
    if not now.usable:
        console.print(f"  {now.reason}", markup=False, highlight=False)
        console.print(f"  fix: {now.fix}", markup=False, highlight=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    for column in ("panel", "tasks", "steps", "lock", "what"):
        numeric = column in ("tasks", "steps")
        table.add_column(column, justify="right" if numeric else "left", no_wrap=column != "what")
    shown = [panel for panel in suite.panels.values() if every or not panel.base]
    for panel in shown:
        table.add_row(
            f"  {panel.name}",
            f"{len(panel):,}",
            str(panel.step_limit),
            panel.lock[:12],
            panel.description,
        )
    console.print(table, highlight=False)
    hidden = len(suite.panels) - len(shown)
    if hidden:
        console.print(f"  and {hidden} more with --all (by task kind, by wording)", style="dim")
    console.print()


def _describe(suite: Suite) -> dict[str, object]:
    now = suite.availability()
    return {
        "suite": suite.name,
        "gymnasium_id": suite.env_id,
        "version": suite.version,
        "extra": suite.extra,
        "provenance": suite.provenance,
        "usable": now.usable,
        "reason": now.reason,
        "fix": now.fix,
        "panels": [_describe_panel(panel) for panel in suite.panels.values()],
    }


def _describe_panel(panel: Panel) -> dict[str, object]:
    return {
        "name": panel.name,
        "tasks": len(panel),
        "step_limit": panel.step_limit,
        "wording": panel.wording,
        "base": panel.base or None,
        "holds_out": panel.holds_out or None,
        "compared_with": panel.reference or None,
        "lock": panel.lock,
        "description": panel.description,
    }

"""A run's result as tables on a terminal. Every number has its interval and its n."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cotgap.agents.core import DEFAULT_TAGS
from cotgap.agents.modes import get_mode
from cotgap.benchmark.metrics.core import (
    Metric,
    Unit,
    arrow,
    metrics,
    titled,
)
from cotgap.benchmark.metrics.summary import PanelSummary
from cotgap.benchmark.records.config import PanelPlan
from cotgap.benchmark.records.sessions import Session
from cotgap.benchmark.records.store import read_episodes
from cotgap.benchmark.report.text import clip
from cotgap.benchmark.rollout.runner import RunResult
from cotgap.benchmark.stats.intervals import Estimate, wilson
from cotgap.envs.audits import Audit, Played, audit_of

SHOWN_ERRORS = 5
ABREAST = 2  # modes in a table of 80 columns


def print_result(result: RunResult, console: Console) -> None:
    """Print the tables of every panel, then what is incomplete."""
    for plan in result.config.panels:
        for panel in result.panels:
            if panel.panel == plan.name:
                _print_panel(panel, plan, result, console)
    _print_unread(result, console)
    _print_errors(result, console)
    if result.session is not None:
        console.print(time_line(result.session), style="dim", highlight=False)
    console.print(f"records: {result.folder}", style="dim", markup=False, highlight=False)


def _print_panel(panel: PanelSummary, plan: PanelPlan, result: RunResult, console: Console) -> None:
    played = f"{len(plan.tasks)} of {plan.size}" if len(plan.tasks) < plan.size else f"{plan.size}"
    console.print()
    console.print(
        Text.assemble(
            (panel.panel, "bold"),
            f"  {result.config.agent.get('name', '')} · {played} tasks · {plan.step_limit} steps · "
            f"{panel.protocol} · lock {panel.lock[:8]}",
        ),
        soft_wrap=True,
    )
    modes = [mode for mode in result.config.modes if mode in panel.modes]
    for start in range(0, len(modes), ABREAST):
        console.print(_mode_table(panel, modes[start : start + ABREAST]))
    for pair in panel.pairs:
        console.print(_pair_table(panel, pair))
        for metric in _shown(panel, "pair", pair):
            if metric.unit == "points":
                text = verdict_text(panel, panel.metrics[metric.name][pair])
                console.print(f"{titled(metric, pair)}: {text}", style="dim", highlight=False)
    console.print(bounds_line(audit_of(panel.panel, panel.lock)), style="dim", highlight=False)
    if panel.unpaired_tasks:
        console.print(
            f"{panel.unpaired_tasks} tasks lack a score in one mode and are not in the CoT gap",
            style="yellow",
        )


def time_line(session: Session) -> str:
    """What a session's wall time went to, in one line."""
    shares = ", ".join(f"{part} {share:.1%}" for part, share in session.shares())
    many = f" on {session.workers} workers" if session.workers > 1 else ""
    return f"time: {session.episodes} episodes in {session.seconds:.1f} s{many}: {shares}"


def bounds_line(audit: Audit | None) -> str:
    """A panel's floor, and its ceiling if its suite has an expert, in one line."""
    if audit is None:
        return "floor and ceiling: not audited under this lock"
    shown = ", ".join(f"{name} {_played(played)}" for name, played in audit.agents.items())
    return f"{'floor and ceiling' if 'expert' in audit.agents else 'floor'}: {shown}"


def _played(played: Played) -> str:
    """Success with its interval, and the score where it says more."""
    low, high = wilson(played.won / played.n, played.n)
    text = f"{show(played.won / played.n, 'rate')} ({100 * low:.1f}…{100 * high:.1f}, n {played.n})"
    if played.score is None:
        return text
    text += f" score {show(played.score, 'score')}"
    bounds = (played.score_low, played.score_high)
    if bounds == (None, None):  # all tasks agree
        return text
    shown = ("?" if bound is None else show(bound, "score") for bound in bounds)
    return f"{text} ({'…'.join(shown)})"


def _mode_table(panel: PanelSummary, modes: Sequence[str]) -> Table:
    table = _table("each mode")
    for mode in modes:
        table.add_column(mode, justify="right", style="bold", no_wrap=True)
        table.add_column("95 % CI", justify="right", no_wrap=True)
        table.add_column("n", justify="right", style="dim", no_wrap=True)
    for metric in _shown(panel, "mode"):
        estimates = panel.metrics[metric.name]
        table.add_row(
            metric.title, *(cell for mode in modes for cell in _cells(metric, estimates.get(mode)))
        )
    return table


def _pair_table(panel: PanelSummary, pair: str) -> Table:
    table = _table(arrow(pair))
    table.add_column("", justify="right", style="bold", no_wrap=True)
    table.add_column("95 % CI", justify="right", no_wrap=True)
    table.add_column("n", style="dim", no_wrap=True)
    for metric in _shown(panel, "pair", pair):
        estimate = panel.metrics[metric.name][pair]
        value, interval, n = _cells(metric, estimate)
        where = f" in {estimate.clusters} tasks" if estimate.clusters else ""
        table.add_row(metric.title, value, interval, f"{n} {estimate.unit}{where}")
    return table


def verdict_text(panel: PanelSummary, estimate: Estimate) -> str:
    """The test of a difference on a panel, and what it could have found."""
    repeated = any(counts.repeats > 1 for counts in panel.modes.values())
    test = "sign-flip" if repeated else "exact McNemar"
    p = "" if estimate.p is None else f"{test} p {p_value(estimate.p)}; "
    if estimate.mde is None:
        return f"{p}{estimate.n} {estimate.unit} cannot detect any difference"
    return (
        f"{p}minimum detectable effect {100 * estimate.mde:.1f} pp "
        f"(80 % power, {estimate.n} {estimate.unit})"
    )


def _table(title: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column(title, no_wrap=True)
    return table


def _shown(panel: PanelSummary, scope: str, part: str | None = None) -> Iterable[Metric]:
    """The metrics of that scope that a panel has, of that part if one is named."""
    for metric in metrics().values():
        parts = panel.metrics.get(metric.name, {}) if metric.scope == scope else {}
        if parts and (part is None or part in parts):
            yield metric


def _cells(metric: Metric, estimate: Estimate | None) -> tuple[str, str, str]:
    """Value, interval and n."""
    if estimate is None:
        return "–", "", ""
    value = show(estimate.value, metric.unit)
    if metric.unit == "count":
        return value, "", f"{estimate.n:,}"
    # A yield counts tokens, which have a row of their own.
    n = estimate.clusters if metric.unit == "yield" and estimate.clusters else estimate.n
    return value, interval(estimate, metric.unit), f"{n:,}"


def interval(estimate: Estimate | None, unit: Unit, text: Callable[..., str] | None = None) -> str:
    """`70.3…87.1`, a side without a bound as `?`; empty without any.

    `text` shows a bound as `show` does, which it is by default.
    """
    ends = (None, None) if estimate is None else (estimate.low, estimate.high)
    if ends == (None, None):
        return ""
    return "…".join("?" if end is None else (text or show)(end, unit, bare=True) for end in ends)


def show(value: float, unit: Unit, *, bare: bool = False) -> str:
    """A value in its unit; `bare` leaves the unit's sign out, for intervals."""
    if unit == "rate":
        return f"{100 * value:.1f}" + ("" if bare else "%")
    if unit == "points":
        return f"{100 * value:+.1f}" + ("" if bare else " pp")
    if unit == "ratio":
        return f"{100 * value:+.0f}" + ("" if bare else "%")
    if unit == "share":
        return f"{100 * value:.0f}" + ("" if bare else "%")
    if unit in ("tokens", "count"):
        return f"{value:,.0f}"
    return f"{value:.2f}" if unit in ("score", "yield") else f"{value:.1f}"


def difference(value: float, unit: Unit, *, bare: bool = False) -> str:
    """A difference of two values of this unit, with its sign."""
    if unit in ("rate", "points"):
        return show(value, "points", bare=bare)
    if unit in ("ratio", "share"):
        return f"{100 * value:+.0f}" + ("" if bare else " pp")
    if unit == "score":
        return f"{value:+.3f}"
    if unit in ("tokens", "count"):
        return f"{value:+,.0f}"
    return f"{value:+.2f}" if unit == "yield" else f"{value:+.1f}"


def p_value(p: float) -> str:
    """With its relation, as in `p = 0.031`."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def _print_unread(result: RunResult, console: Console) -> None:
    """Where no reply of a mode could be read, one of them: it shows what the agent got wrong."""
    found = [(p, mode) for p in result.panels for mode in result.config.modes if _unread(p, mode)]
    if not found:
        return
    for mode in dict.fromkeys(mode for _, mode in found):
        panels = {panel.panel for panel, driver in found if driver == mode}
        decision = next(
            step.decision
            for episode in read_episodes(result.folder)
            if episode.mode == mode and episode.task_key.panel in panels
            for step in episode.steps
        )
        begun = get_mode(mode).prefill(DEFAULT_TAGS)
        console.print(
            f"no reply of mode {mode} could be read on {', '.join(sorted(panels))}. One of them, "
            f"which {begun} begins ({decision.parse_error}):",
            style="bold yellow",
            highlight=False,
        )
        console.print(f"  {clip(decision.raw, 200)}", markup=False, highlight=False)


def _unread(panel: PanelSummary, mode: str) -> bool:
    errors = panel.metrics.get("parse_errors", {}).get(mode)
    return errors is not None and errors.value == 1


def _print_errors(result: RunResult, console: Console) -> None:
    console.print()
    if result.complete:
        console.print(
            f"complete: all {result.planned} episodes have a score", style="dim", highlight=False
        )
        return
    scored = sum(result.statuses.values()) - len(result.errors)
    console.print(
        f"incomplete: {scored} of {result.planned} episodes have a score, "
        f"{len(result.errors)} ended in an error. Run the same command again to go on.",
        style="bold yellow",
    )
    for error in result.errors[:SHOWN_ERRORS]:
        where = f"{error['task_key']} ({error['mode']}, repeat {error['repeat']})"
        first = (error["error"] or "").partition("\n")[0]
        console.print(f"  {where}: {error['status']}: {first}", markup=False, highlight=False)
    if len(result.errors) > SHOWN_ERRORS:
        console.print(f"  and {len(result.errors) - SHOWN_ERRORS} more in summary.json")

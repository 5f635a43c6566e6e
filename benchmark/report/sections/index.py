"""The first page: every agent on every panel, in each mode, with the gap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cotgap.benchmark.metrics.core import get_metric, titled
from cotgap.benchmark.metrics.summary import PanelSummary
from cotgap.benchmark.report.bars import Bound, Mark, bounds, interval, mark, reach
from cotgap.benchmark.report.sections.core import Section
from cotgap.benchmark.report.source import Report, Run
from cotgap.benchmark.report.terminal import show, verdict_text
from cotgap.benchmark.stats.intervals import Estimate
from cotgap.envs.audits import audit_of


@dataclass(frozen=True)
class ModeRow:
    """One mode's success on one panel; `planned` counts the episodes it should have played."""

    mode: str
    value: str
    interval: str
    scored: int
    planned: int
    errors: int


@dataclass(frozen=True)
class Gap:
    """The gap of two modes on one panel; `test` is its p and what it could have found."""

    title: str
    mark: Mark
    value: str
    interval: str
    tasks: int
    test: str


@dataclass(frozen=True)
class Row:
    """An agent on a panel."""

    run: str
    run_place: int
    complete: bool
    panel: str
    played: str
    protocol: str
    lock: str
    modes: list[ModeRow]
    marks: list[Mark]
    bounds: list[Bound]
    gaps: list[Gap]
    unpaired: int
    beyond_expert: int


def build(report: Report) -> Mapping[str, Any] | None:
    """Rows, panel by panel within each run, and what is missing where; None without a run."""
    if not report.runs:
        return None
    gaps = [gap for run in report.runs for s in run.summaries for gap in _gaps(s).values()]
    width = reach(gaps)
    return {
        "rows": [
            _row(place, run, summary, width)
            for place, run in enumerate(report.runs)
            for summary in run.summaries
        ],
        "reach": f"{100 * width:.0f}",
        "runs": [_facts(place, run) for place, run in enumerate(report.runs)],
        "numbers": _numbers(report),
    }


def _gaps(summary: PanelSummary) -> Mapping[str, Estimate]:
    return summary.metrics.get("cot_gap", {})


def _row(place: int, run: Run, summary: PanelSummary, width: float) -> Row:
    plan = run.plan(summary.panel)
    planned = len(plan.tasks) * run.repeats if plan else 0
    success, audit = summary.metrics.get("success", {}), audit_of(summary.panel, summary.lock)
    of = f"{len(plan.tasks)} of {plan.size} tasks" if plan else "panel not in the run's plan"
    return Row(
        run=run.label,
        run_place=place,
        complete=run.complete,
        panel=summary.panel,
        played=f"{of} · {plan.step_limit} steps" if plan else of,
        protocol=summary.protocol,
        lock=summary.lock,
        modes=[
            ModeRow(
                mode=mode,
                value=show(success[mode].value, "rate") if mode in success else "–",
                interval=interval(success[mode], "rate") if mode in success else "no score",
                scored=counts.scored,
                planned=planned,
                errors=counts.unscored,
            )
            for mode, counts in in_order(run, summary)
        ],
        marks=[
            mark(mode, success[mode], "rate")
            for mode, _ in in_order(run, summary)
            if mode in success
        ],
        bounds=bounds(audit),
        gaps=[_gap(pair, gap, summary, width) for pair, gap in _gaps(summary).items()],
        unpaired=summary.unpaired_tasks,
        beyond_expert=len(audit.beyond_expert) if audit else 0,
    )


def in_order(run: Run, summary: PanelSummary) -> list[tuple[str, Any]]:
    """The modes of a summary with their counts, in the run's order."""
    modes = {mode: place for place, mode in enumerate(run.modes)}
    return sorted(summary.modes.items(), key=lambda item: (modes.get(item[0], 99), item[0]))


def _gap(pair: str, estimate: Estimate, summary: PanelSummary, width: float) -> Gap:
    return Gap(
        title=titled(get_metric("cot_gap"), pair),
        mark=mark("gap", estimate, "points", width),
        value=show(estimate.value, "points"),
        interval=interval(estimate, "points"),
        tasks=estimate.n,
        test=verdict_text(summary, estimate),
    )


def _facts(place: int, run: Run) -> dict[str, Any]:
    """What a run is, beyond its results."""
    return {
        "place": place,
        "label": run.label,
        "folder": run.folder,
        "digest": run.digest[:12],
        "fingerprint": str(run.agent.get("fingerprint", ""))[:12],
        "backend": run.agent.get("backend", ""),
        "protocol": run.protocol,
        "modes": ", ".join(run.modes),
        "repeats": run.repeats,
        "planned": run.planned,
        "scored": run.scored,
        "errors": run.errors,
        "unplayed": run.unplayed,
        "complete": run.complete,
        "statuses": run.statuses,
    }


def _numbers(report: Report) -> list[tuple[str, str]]:
    """The report in four figures."""
    played = sum(len(run.episodes) for run in report.runs)
    panels = {summary.panel for run in report.runs for summary in run.summaries}
    steps = sum(len(e.steps) for run in report.runs for e in run.episodes)
    errors = sum(run.errors for run in report.runs)
    return [
        ("episodes", f"{played:,}"),
        ("panels", f"{len(panels):,}"),
        ("steps", f"{steps:,}"),
        ("without a score", f"{errors:,}"),
    ]


SECTION = Section(name="index", title="Summary", order=10, build=build)

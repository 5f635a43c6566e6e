"""Every metric of every panel, and success and gap by task type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cotgap.benchmark.metrics import cot_gap, success
from cotgap.benchmark.metrics.core import Metric, metrics
from cotgap.benchmark.metrics.summary import PAIR, PanelSummary
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.report.bars import Mark, in_words, interval, mark, reach
from cotgap.benchmark.report.sections.core import Section
from cotgap.benchmark.report.sections.index import in_order
from cotgap.benchmark.report.source import Report, Run
from cotgap.benchmark.report.terminal import show
from cotgap.benchmark.stats.intervals import Estimate


@dataclass(frozen=True)
class MetricRow:
    """One metric; `cells` holds a value, an interval and an n for each column, or None."""

    title: str
    doc: str
    cells: list[tuple[str, str, str] | None]


@dataclass(frozen=True)
class Kind:
    """One task type: success by mode and the gap."""

    name: str
    modes: list[tuple[str, str]]
    """(mode, its success in words)"""
    marks: list[Mark]
    gap: Mark | None


def build(report: Report) -> Mapping[str, Any] | None:
    """A block for each panel of each run; None without a run."""
    if not report.runs:
        return None
    return {
        "blocks": [
            _block(place, run, summary)
            for place, run in enumerate(report.runs)
            for summary in run.summaries
        ],
        "meanings": [(metric.title, metric.doc) for metric in metrics().values()],
    }


def _block(place: int, run: Run, summary: PanelSummary) -> dict[str, Any]:
    modes = [mode for mode, _ in in_order(run, summary)]
    rows = kinds(run.played(summary))
    gaps = [gap for _, _, gap in rows if gap is not None]
    width = reach(gaps)
    return {
        "run": run.label,
        "run_place": place,
        "panel": summary.panel,
        "complete": run.complete,
        "modes": modes,
        "by_mode": _metric_rows(summary, "mode", modes),
        "by_pair": _metric_rows(summary, "pair", [PAIR]),
        "kinds": [_kind(name, modes, rates, gap, width) for name, rates, gap in rows],
        "reach": f"{100 * width:.0f}",
    }


def kinds(
    episodes: Sequence[Episode],
) -> list[tuple[str, dict[str, Estimate], Estimate | None]]:
    """(task type, success by mode, CoT gap) of each type, by name; nothing where none is named."""
    found = []
    for kind in sorted({e.task_kind for e in episodes if e.task_kind}):
        of_kind = [e for e in episodes if e.task_kind == kind]
        rates = {
            mode: rate
            for mode in sorted({e.mode for e in of_kind})
            if (rate := success.compute([e for e in of_kind if e.mode == mode])) is not None
        }
        found.append((kind, rates, cot_gap.compute(of_kind)))
    return found


def _kind(
    name: str,
    modes: Sequence[str],
    rates: Mapping[str, Estimate],
    gap: Estimate | None,
    width: float,
) -> Kind:
    shown = [mode for mode in modes if mode in rates]
    return Kind(
        name=name,
        modes=[(mode, in_words(rates[mode], "rate")) for mode in shown],
        marks=[mark(mode, rates[mode], "rate") for mode in shown],
        gap=None if gap is None else mark("gap", gap, "points", width),
    )


def _metric_rows(summary: PanelSummary, scope: str, columns: Sequence[str]) -> list[MetricRow]:
    return [
        MetricRow(
            metric.title,
            metric.doc,
            [_cell(metric, summary.metrics[metric.name].get(column)) for column in columns],
        )
        for metric in metrics().values()
        if metric.scope == scope and metric.name in summary.metrics
    ]


def _cell(metric: Metric, estimate: Estimate | None) -> tuple[str, str, str] | None:
    if estimate is None:
        return None
    exact = metric.unit == "count"
    tasks = f" in {estimate.clusters:,} tasks" if estimate.clusters else ""
    return (
        show(estimate.value, metric.unit),
        "" if exact else interval(estimate, metric.unit),
        f"{estimate.n:,} {estimate.unit}{tasks}",
    )


SECTION = Section(name="panels", title="Panels", order=20, build=build)

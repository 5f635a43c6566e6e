"""Every metric of every panel, and success and gap by task type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cotgap.benchmark.metrics.core import (
    Metric,
    arrow,
    get_metric,
    metrics,
    part_name,
    titled,
)
from cotgap.benchmark.metrics.summary import PanelSummary
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
    gaps: list[tuple[str, Mark]]
    """(title, the gap of two modes)"""


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
    rows = kinds(run.played(summary), run.modes)
    gaps = [gap for _, _, of_kind in rows for gap in of_kind.values()]
    width = reach(gaps)
    return {
        "run": run.label,
        "run_place": place,
        "panel": summary.panel,
        "complete": run.complete,
        "modes": modes,
        "by_mode": _metric_rows(summary, "mode", modes),
        "pairs": [arrow(pair) for pair in summary.pairs],
        "by_pair": _metric_rows(summary, "pair", summary.pairs),
        "kinds": [_kind(name, modes, rates, gap, width) for name, rates, gap in rows],
        "reach": f"{100 * width:.0f}",
    }


def kinds(
    episodes: Sequence[Episode], order: Sequence[str] = ()
) -> list[tuple[str, dict[str, Estimate], dict[str, Estimate]]]:
    """(task type, success by mode, gap by pair of modes) of each type, by name.

    Nothing where no type is named. `order` is that of the run's modes.
    """
    found = []
    for kind in sorted({e.task_kind for e in episodes if e.task_kind}):
        of_kind = [e for e in episodes if e.task_kind == kind]
        driving = {e.mode for e in of_kind}
        modes = [mode for mode in order if mode in driving]
        modes += sorted(driving - set(modes))
        rates, gaps = (
            {
                part_name(part): estimate
                for part in metric.parts(modes)
                if (estimate := metric.estimate(of_kind, part)) is not None
            }
            for metric in map(get_metric, ("success", "cot_gap"))
        )
        found.append((kind, rates, gaps))
    return found


def _kind(
    name: str,
    modes: Sequence[str],
    rates: Mapping[str, Estimate],
    gaps: Mapping[str, Estimate],
    width: float,
) -> Kind:
    shown = [mode for mode in modes if mode in rates]
    gap = get_metric("cot_gap")
    return Kind(
        name=name,
        modes=[(mode, in_words(rates[mode], "rate")) for mode in shown],
        marks=[mark(mode, rates[mode], "rate") for mode in shown],
        gaps=[(titled(gap, pair), mark("gap", e, "points", width)) for pair, e in gaps.items()],
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

"""What success costs: tokens written per episode against success."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from cotgap.benchmark.report.bars import in_words
from cotgap.benchmark.report.charts import COLOURS, figure, mode_style, to_svg
from cotgap.benchmark.report.sections.core import Section
from cotgap.benchmark.report.sections.index import in_order
from cotgap.benchmark.report.source import Report
from cotgap.benchmark.report.text import clip
from cotgap.benchmark.stats.intervals import Estimate

WIDTH, HEIGHT = 420, 290


@dataclass(frozen=True)
class Point:
    """One mode of one agent on one panel."""

    run: str
    panel: str
    mode: str
    complete: bool
    written: Estimate
    read: Estimate | None
    success: Estimate


def points(report: Report) -> list[Point]:
    """Every group whose backend counted tokens."""
    return [
        Point(
            run=run.label,
            panel=summary.panel,
            mode=mode,
            complete=run.complete,
            written=written[mode],
            read=summary.metrics.get("tokens_in", {}).get(mode),
            success=success[mode],
        )
        for run in report.runs
        for summary in run.summaries
        for written, success in [[summary.metrics.get(n, {}) for n in ("tokens_out", "success")]]
        for mode, _ in in_order(run, summary)
        if mode in written and mode in success
    ]


def build(report: Report) -> Mapping[str, Any] | None:
    """A chart for each panel and a table of all; None where no backend counted tokens."""
    found = points(report)
    if not found:
        return None
    panels = dict.fromkeys(point.panel for point in found)
    return {
        "charts": [
            {"panel": panel, "chart": _chart(panel, [p for p in found if p.panel == panel])}
            for panel in panels
        ],
        "rows": [
            {
                "run": point.run,
                "panel": point.panel,
                "mode": point.mode,
                "complete": point.complete,
                "written": in_words(point.written, "tokens"),
                "read": in_words(point.read, "tokens") if point.read else "–",
                "success": in_words(point.success, "rate"),
            }
            for point in found
        ],
        "uncounted": [run.label for run in report.runs if run.label not in {p.run for p in found}],
    }


def _chart(panel: str, shown: Sequence[Point]) -> Markup:
    """Success over tokens, both with their intervals; an agent's modes are joined."""
    with figure(WIDTH, HEIGHT) as drawn:
        axes = drawn.subplots()
        for run in dict.fromkeys(point.run for point in shown):
            of_run = [point for point in shown if point.run == run]
            axes.plot(
                [point.written.value for point in of_run],
                [100 * point.success.value for point in of_run],
                color=COLOURS["line"],
                linewidth=1.2,
                zorder=1,
            )
            last = of_run[-1]
            axes.annotate(
                clip(run, 24),
                (last.written.value, 100 * last.success.value),
                xytext=(8, 8),
                textcoords="offset points",
                color=COLOURS["muted"],
            )
        for point in shown:
            _draw_point(axes, point)
        axes.set_xlim(left=0)
        axes.margins(x=0.2)
        axes.set_ylim(-3, 103)
        axes.set_xlabel("tokens written per episode")
        axes.set_ylabel("success, %")
        return to_svg(
            drawn, f"Success over tokens written on {clip(panel)}; the numbers are in the table"
        )


def _draw_point(axes: Any, point: Point) -> None:
    colour, shape = mode_style(point.mode)
    x, y = point.written.value, 100 * point.success.value
    tokens = [x if bound is None else bound for bound in (point.written.low, point.written.high)]
    rates = [
        100 * (end if bound is None else bound)
        for bound, end in ((point.success.low, 0.0), (point.success.high, 1.0))
    ]
    axes.plot(tokens, [y, y], color=colour, linewidth=1.6)
    axes.plot([x, x], rates, color=colour, linewidth=1.6)
    axes.plot([x], [y], color=colour, marker=shape, markersize=7, linestyle="none")


SECTION = Section(name="tokens", title="Tokens", order=50, build=build)

"""In-domain against out-of-domain: panels of one suite that differ along one axis."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from benchmark import stats
from benchmark.metrics.summary import PAIR, PanelSummary
from benchmark.report.bars import Axis, Mark, in_words, interval, mark, reach
from benchmark.report.charts import figure, mode_style, to_svg
from benchmark.report.sections.core import Section
from benchmark.report.sections.summary import in_order
from benchmark.report.source import Report, Run
from benchmark.report.text import clip
from benchmark.stats import Estimate
from benchmark.tables import show

# Split → the split of the same suite that it holds something out of.
HELD_OUT = (
    (re.compile(r"ood_\w+"), "id"),
    (re.compile(r"paper_ood"), "paper_id"),
    (re.compile(r"valid_unseen"), "valid_seen"),
)


@dataclass(frozen=True)
class Contrast:
    """One quantity on both panels and its loss, in-domain less out-of-domain."""

    what: str
    inside: Estimate
    outside: Estimate
    loss: Estimate


def reference(panel: str) -> str | None:
    """The panel that `panel` holds something out of, by the suites' naming; None: it is no OOD one.

    A suffix for a task type (`:`) or a wording (`@`) is the same on both.
    """
    suite, _, split = panel.partition("/")
    name = re.split("[:@]", split)[0]
    for held_out, inside in HELD_OUT:
        if held_out.fullmatch(name):
            return f"{suite}/{inside}{split[len(name) :]}"
    return None


def contrasts(inside: PanelSummary, outside: PanelSummary) -> list[Contrast]:
    """Success of each mode on both panels, then the CoT gap, where both panels have them."""
    found = []
    for name, parts in (("success", sorted(inside.modes)), ("cot_gap", [PAIR])):
        here, there = inside.metrics.get(name, {}), outside.metrics.get(name, {})
        for part in parts:
            if part in here and part in there:
                what = "CoT gap" if part == PAIR else f"success, {part}"
                loss = stats.independent_difference(there[part], here[part])
                found.append(Contrast(what, here[part], there[part], loss))
    return found


def build(report: Report) -> Mapping[str, Any] | None:
    """A block for each run and in-domain panel; None where no run has such a pair of panels."""
    blocks = [block for run in report.runs for block in _blocks(run)]
    return {"blocks": blocks} if blocks else None


def _blocks(run: Run) -> Iterator[dict[str, Any]]:
    by_name = {summary.panel: summary for summary in run.summaries}
    groups: dict[str, list[PanelSummary]] = {}
    for summary in run.summaries:
        inside_name = reference(summary.panel)
        if inside_name in by_name:
            groups.setdefault(inside_name, []).append(summary)
    for name, outside in groups.items():
        inside = by_name[name]
        found = [(other, contrast) for other in outside for contrast in contrasts(inside, other)]
        width = reach([contrast.loss for _, contrast in found])
        yield {
            "run": run.label,
            "complete": run.complete,
            "inside": name,
            "chart": _chart(run, [inside, *outside]),
            "reach": f"{100 * width:.0f}",
            "rows": [_row(other.panel, contrast, width) for other, contrast in found],
        }


def _row(panel: str, contrast: Contrast, width: float) -> dict[str, Any]:
    unit: Axis = "points" if contrast.what == "CoT gap" else "rate"
    loss: Mark = mark("gap", contrast.loss, "points", width)
    return {
        "panel": panel,
        "what": contrast.what,
        "inside": in_words(contrast.inside, unit),
        "outside": in_words(contrast.outside, unit),
        "value": show(contrast.loss.value, "points"),
        "interval": interval(contrast.loss, "points"),
        "detects": _detects(contrast.loss),
        "loss": loss,
    }


def _detects(loss: Estimate) -> str:
    if loss.mde is None:
        return ""
    return f"minimum detectable effect {100 * loss.mde:.1f} pp"


def _chart(run: Run, summaries: Sequence[PanelSummary]) -> Markup:
    """Success by mode over the panels, in-domain first."""
    modes = [mode for mode, _ in in_order(run, summaries[0])]
    with figure(150 + 130 * len(summaries), 260) as drawn:
        axes = drawn.subplots()
        for place, mode in enumerate(modes):
            shift = 0.16 * (place - (len(modes) - 1) / 2)
            points = [
                (number + shift, found)
                for number, summary in enumerate(summaries)
                if (found := summary.metrics.get("success", {}).get(mode)) is not None
            ]
            colour, shape = mode_style(mode)
            for x, found in points:
                ends = [100 * (found.low or 0.0), 100 * (1.0 if found.high is None else found.high)]
                axes.plot([x, x], ends, color=colour, linewidth=2, solid_capstyle="round")
            axes.plot(
                [x for x, _ in points],
                [100 * found.value for _, found in points],
                color=colour,
                marker=shape,
                markersize=7,
                linewidth=1,
                linestyle=(0, (1, 2)),
            )
        axes.axvline(0.5, color=mode_style("")[0], linewidth=1, linestyle=(0, (4, 3)))
        axes.set_xticks(
            range(len(summaries)), [clip(s.panel.partition("/")[2], 18) for s in summaries]
        )
        axes.set_xlim(-0.5, len(summaries) - 0.5)
        axes.set_ylim(0, 103)
        axes.grid(visible=False, axis="x")
        axes.set_ylabel("success, %")
        suite = summaries[0].panel.partition("/")[0]
        return to_svg(
            drawn,
            f"Success with 95 % intervals of {clip(run.label)} on {clip(suite)}'s panels; "
            "the numbers are in the table below",
        )


SECTION = Section(name="ood", title="ID and OOD", order=30, build=build)

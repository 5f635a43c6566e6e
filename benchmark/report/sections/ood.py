"""In-domain against out-of-domain: panels of one suite that differ along one axis.

What an agent was trained on decides which are which, where its description or the sweep it belongs
to says so (`trained_on`, as a checkpoint's card has it); else the suites' naming does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from cotgap.benchmark.domain import reference, relate, trained_on
from cotgap.benchmark.metrics.core import Unit, get_metric, titled
from cotgap.benchmark.metrics.summary import PanelSummary
from cotgap.benchmark.report.bars import Mark, in_words, interval, mark, reach
from cotgap.benchmark.report.charts import figure, mode_style, to_svg
from cotgap.benchmark.report.sections.core import Section
from cotgap.benchmark.report.sections.index import in_order
from cotgap.benchmark.report.source import Report, Run
from cotgap.benchmark.report.terminal import show
from cotgap.benchmark.report.text import clip
from cotgap.benchmark.stats import intervals
from cotgap.benchmark.stats.intervals import Estimate
from cotgap.envs.registry import get_panel


@dataclass(frozen=True)
class Contrast:
    """One quantity on both panels and its loss, in-domain less out-of-domain.

    `retained` is OOD over in-domain success; None for other quantities, and where no task of the
    in-domain panel succeeded.
    """

    what: str
    unit: Unit
    inside: Estimate
    outside: Estimate
    loss: Estimate
    retained: Estimate | None = None


def contrasts(inside: PanelSummary, outside: PanelSummary) -> list[Contrast]:
    """Success of each mode on both panels, then the gaps of modes, where both panels have them."""
    found = []
    for metric in map(get_metric, ("success", "cot_gap")):
        here, there = (one.metrics.get(metric.name, {}) for one in (inside, outside))
        for part in (name for name in here if name in there):
            loss = intervals.independent_difference(there[part], here[part])
            kept = None
            if metric.unit == "rate":
                kept = intervals.independent_ratio(here[part], there[part])
            what = titled(metric, part)
            found.append(Contrast(what, metric.unit, here[part], there[part], loss, kept))
    return found


def build(report: Report) -> Mapping[str, Any] | None:
    """A block for each run and in-domain panel; None where no run has such a pair of panels."""
    blocks = [block for run in report.runs for block in _blocks(run, card_of(run, report))]
    return {"blocks": blocks} if blocks else None


def card_of(run: Run, report: Report) -> Mapping[str, Any]:
    """What is known of a run's agent's training; empty where nothing is.

    A sweep's folder says it of the checkpoints whose runs it holds.
    """
    if run.agent.get("trained_on"):
        return run.agent
    for sweep in report.extras.get("sweeps", ()):
        for checkpoint in sweep.checkpoints:
            path = sweep.runs().get(checkpoint.label)
            if path is not None and path.resolve() == run.path:
                return dict(checkpoint.card)
    return {}


def pairs(panels: Sequence[str], card: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(in-domain panel, OOD panel, along which axis) of panels that were played.

    By the card where it says what was trained on. An OOD panel then goes with the panel that it
    holds something out of, if that is in-domain, else with the first in-domain one of its suite.
    """
    if not trained_on(card):
        named = [(reference(panel), panel, "by its suite") for panel in panels]
        return [(one, panel, axis) for one, panel, axis in named if one and one in panels]
    relations = {panel: relate(card, get_panel(panel)) for panel in panels}
    found = []
    for panel, relation in relations.items():
        suite = panel.partition("/")[0]
        inside = [
            one
            for one, its in relations.items()
            if its.in_domain and one.partition("/")[0] == suite
        ]
        if relation.ood and inside:
            nearest = reference(panel)
            found.append((nearest if nearest in inside else inside[0], panel, str(relation)))
    return [(inside, panel, axis) for inside, panel, axis in found if inside]


def _blocks(run: Run, card: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    by_name = {summary.panel: summary for summary in run.summaries}
    found = pairs(list(by_name), card)
    learned = dict.fromkeys(str(facts["panel"]) for facts in trained_on(card))
    for name in dict.fromkeys(inside for inside, _, _ in found):
        inside = by_name[name]
        outside = [(by_name[panel], axis) for one, panel, axis in found if one == name]
        rows = [
            (other.panel, axis, contrast)
            for other, axis in outside
            for contrast in contrasts(inside, other)
        ]
        width = reach([contrast.loss for _, _, contrast in rows])
        yield {
            "run": run.label,
            "complete": run.complete,
            "inside": name,
            "learned": list(learned),
            "chart": _chart(run, [inside, *(other for other, _ in outside)]),
            "reach": f"{100 * width:.0f}",
            "rows": [_row(panel, axis, contrast, width) for panel, axis, contrast in rows],
        }


def _row(panel: str, axis: str, contrast: Contrast, width: float) -> dict[str, Any]:
    loss: Mark = mark("gap", contrast.loss, "points", width)
    return {
        "panel": panel,
        "axis": axis,
        "what": contrast.what,
        "inside": in_words(contrast.inside, contrast.unit),
        "outside": in_words(contrast.outside, contrast.unit),
        "value": show(contrast.loss.value, "points"),
        "interval": interval(contrast.loss, "points"),
        "detects": _detects(contrast.loss),
        "retained": _retained(contrast),
        "loss": loss,
    }


def _detects(loss: Estimate) -> str:
    if loss.mde is None:
        return ""
    return f"minimum detectable effect {100 * loss.mde:.1f} pp"


def _retained(contrast: Contrast) -> str:
    if contrast.unit != "rate":
        return ""
    if contrast.retained is None:
        return "not defined (no in-domain success)"
    return in_words(contrast.retained, "rate")


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
        axes.set_ylim(-3, 103)
        axes.grid(visible=False, axis="x")
        axes.set_ylabel("success, %")
        suite = summaries[0].panel.partition("/")[0]
        return to_svg(
            drawn,
            f"Success with 95 % intervals of {clip(run.label)} on {clip(suite)}'s panels; "
            "the numbers are in the table below",
        )


SECTION = Section(name="ood", title="ID and OOD", order=30, build=build)

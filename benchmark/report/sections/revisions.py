"""What reasoning changes: revisions, and the flow from the prompt action to the CoT action."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from cotgap.benchmark.metrics.core import get_metric
from cotgap.benchmark.metrics.summary import PAIR, PanelSummary
from cotgap.benchmark.report.bars import in_words, interval
from cotgap.benchmark.report.charts import COLOURS, figure, to_svg
from cotgap.benchmark.report.revisions import JUDGED, Flow, Judged, flow
from cotgap.benchmark.report.sections.core import Section
from cotgap.benchmark.report.source import Report, Run
from cotgap.benchmark.report.terminal import show
from cotgap.benchmark.report.text import clip

KINDS = ("revision_helpful", "revision_neutral", "revision_harmful")
WORDS = {"right": "right", "wrong": "wrong", "none": "no action"}
COLOUR = {"right": "helpful", "wrong": "harmful", "none": "neutral"}
LEFT, RIGHT, THICK, SPACE = 0.0, 1.0, 0.045, 0.035


def build(report: Report) -> Mapping[str, Any] | None:
    """A block for each panel that recorded both actions; None where no run did."""
    blocks = [
        _block(place, run, summary)
        for place, run in enumerate(report.runs)
        for summary in run.summaries
        if "revision" in summary.metrics
    ]
    return {"blocks": blocks} if blocks else None


def _block(place: int, run: Run, summary: PanelSummary) -> dict[str, Any]:
    found = flow(run.played(summary))
    shares = {kind: summary.metrics[kind][PAIR] for kind in KINDS if kind in summary.metrics}
    return {
        "run": run.label,
        "run_place": place,
        "complete": run.complete,
        "panel": summary.panel,
        "revision": in_words(summary.metrics["revision"][PAIR], "rate"),
        "shares": [
            {
                "name": kind.removeprefix("revision_"),
                "title": get_metric(kind).title,
                "value": show(estimate.value, "rate"),
                "interval": interval(estimate, "rate"),
                "n": f"{estimate.n:,}",
                "width": round(100 * estimate.value, 2),
            }
            for kind, estimate in shares.items()
        ],
        "flow": None if found is None else _flow(found, run, summary),
    }


def _flow(found: Flow, run: Run, summary: PanelSummary) -> dict[str, Any]:
    shown = [judged for judged in JUDGED if any(judged in pair for pair in found.counts)]
    rates = [
        ("the prompt action is right", found.prompt_right),
        ("the CoT action is right", found.cot_right),
        ("reasoning repairs what was not right", found.repaired),
        ("reasoning breaks what was right", found.broken),
    ]
    return {
        "chart": _chart(found, f"{clip(run.label)} on {clip(summary.panel)}"),
        "columns": [WORDS[judged] for judged in shown],
        "rows": [
            (WORDS[before], [f"{found.counts.get((before, after), 0):,}" for after in shown])
            for before in shown
        ],
        "rates": [(title, in_words(rate, "rate")) for title, rate in rates if rate is not None],
        "states": f"{found.states:,}",
    }


def _chart(found: Flow, name: str) -> Markup:
    """Bands from the prompt action's judgement (left) to the CoT action's (right)."""
    with figure(460, 250) as drawn:
        axes = drawn.subplots()
        axes.set_axis_off()
        axes.set_xlim(-0.36, 1.36)
        axes.set_ylim(-0.02, 1.1)
        left, right = _stack(found, 0), _stack(found, 1)
        _draw_bands(axes, found, left, right)
        for x, stack, side, align in ((LEFT, left, 0, "right"), (RIGHT, right, 1, "left")):
            for judged, (bottom, height) in stack.items():
                _draw_node(axes, x, judged, bottom, height)
                count = sum(n for pair, n in found.counts.items() if pair[side] == judged)
                axes.text(
                    x - 0.025 if side == 0 else x + THICK + 0.025,
                    bottom + height / 2,
                    f"{WORDS[judged]}\n{100 * count / found.states:.1f}%",
                    ha=align,
                    va="center",
                )
        muted: dict[str, Any] = {"color": COLOURS["muted"], "va": "bottom"}
        axes.text(LEFT, 1.04, "prompt action", ha="left", **muted)
        axes.text(RIGHT + THICK, 1.04, "CoT action", ha="right", **muted)
        return to_svg(
            drawn, f"Flow from the prompt action to the CoT action, {name}; counts in the table"
        )


def _stack(found: Flow, side: int) -> dict[Judged, tuple[float, float]]:
    """Judgement → (bottom, height) of its node, from the top, filling 0 to 1."""
    totals = {
        judged: total
        for judged in JUDGED
        if (total := sum(n for pair, n in found.counts.items() if pair[side] == judged))
    }
    room = 1 - SPACE * (len(totals) - 1)
    top, placed = 1.0, {}
    for judged, total in totals.items():
        height = room * total / found.states
        placed[judged] = (top - height, height)
        top -= height + SPACE
    return placed


def _draw_node(axes: Any, x: float, judged: Judged, bottom: float, height: float) -> None:
    from matplotlib.patches import Rectangle

    colour = COLOURS[COLOUR[judged]]
    axes.add_patch(Rectangle((x, bottom), THICK, height, facecolor=colour, linewidth=0))


def _draw_bands(
    axes: Any,
    found: Flow,
    left: Mapping[Judged, tuple[float, float]],
    right: Mapping[Judged, tuple[float, float]],
) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    used_left = {judged: bottom + height for judged, (bottom, height) in left.items()}
    used_right = {judged: bottom + height for judged, (bottom, height) in right.items()}
    rooms = (1 - SPACE * (len(left) - 1), 1 - SPACE * (len(right) - 1))
    begin, end, middle = LEFT + THICK, RIGHT, (LEFT + THICK + RIGHT) / 2
    for before in left:
        for after in right:
            count = found.counts.get((before, after), 0)
            if not count:
                continue
            high_left, high_right = used_left[before], used_right[after]
            low_left = used_left[before] = high_left - rooms[0] * count / found.states
            low_right = used_right[after] = high_right - rooms[1] * count / found.states
            points = [
                (begin, high_left), (middle, high_left), (middle, high_right), (end, high_right),
                (end, low_right), (middle, low_right), (middle, low_left), (begin, low_left),
            ]  # fmt: skip
            curve = [Path.CURVE4] * 3
            codes = [Path.MOVETO, *curve, Path.LINETO, *curve]
            colour = COLOURS[COLOUR[after]] if before != after else COLOURS["neutral"]
            axes.add_patch(
                PathPatch(
                    Path(points, codes),
                    facecolor=colour,
                    alpha=0.55 if before != after else 0.28,
                    linewidth=0,
                )
            )


SECTION = Section(name="revisions", title="Revisions", order=40, build=build)

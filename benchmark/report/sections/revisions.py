"""What reasoning changes: revisions, and the flow from the prompt action to the CoT action."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from cotgap.benchmark.metrics.core import COT, Part, arrow, decided, get_metric, pairs, part_name
from cotgap.benchmark.metrics.summary import PanelSummary
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
    """A block for each panel and pair of modes whose actions were both recorded; None without."""
    blocks = [
        _block(place, run, summary, pair)
        for place, run in enumerate(report.runs)
        for summary in run.summaries
        if "revision" in summary.metrics
        for pair in pairs(decided(run.played(summary), run.modes))
        if part_name(pair) in summary.metrics["revision"]
    ]
    return {"blocks": blocks} if blocks else None


def _block(place: int, run: Run, summary: PanelSummary, pair: Part) -> dict[str, Any]:
    found, name = flow(run.played(summary), pair), part_name(pair)
    estimates = {kind: summary.metrics.get(kind, {}).get(name) for kind in KINDS}
    shares = {kind: estimate for kind, estimate in estimates.items() if estimate is not None}
    return {
        "run": run.label,
        "run_place": place,
        "complete": run.complete,
        "panel": summary.panel,
        "pair": arrow(name),
        "modes": list(pair),
        "revision": in_words(summary.metrics["revision"][name], "rate"),
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
        "flow": None
        if found is None
        else _flow(found, f"{clip(run.label)} on {clip(summary.panel)}", pair),
    }


def _flow(found: Flow, name: str, pair: Part) -> dict[str, Any]:
    first, second = words = [action_of(mode) for mode in pair]
    shown = [judged for judged in JUDGED if any(judged in pair for pair in found.counts)]
    rates = [
        (f"the {first} is right", found.first_right),
        (f"the {second} is right", found.second_right),
        ("reasoning repairs what was not right", found.repaired),
        ("reasoning breaks what was right", found.broken),
    ]
    return {
        "chart": _chart(found, name, words),
        "actions": words,
        "columns": [WORDS[judged] for judged in shown],
        "rows": [
            (WORDS[before], [f"{found.counts.get((before, after), 0):,}" for after in shown])
            for before in shown
        ],
        "rates": [(title, in_words(rate, "rate")) for title, rate in rates if rate is not None],
        "states": f"{found.states:,}",
    }


def action_of(mode: str) -> str:
    """`prompt action`, `CoT action`, or that of another mode."""
    return f"{clip('CoT' if mode == COT else mode, 30)} action"


def _chart(found: Flow, name: str, words: Sequence[str]) -> Markup:
    """Bands from the first action's judgement (left) to the second's (right)."""
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
        axes.text(LEFT, 1.04, words[0], ha="left", **muted)
        axes.text(RIGHT + THICK, 1.04, words[1], ha="right", **muted)
        title = f"Flow from the {words[0]} to the {words[1]}, {name}; counts in the table"
        return to_svg(drawn, title)


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

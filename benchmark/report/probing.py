"""How the figures of each known probe are drawn. Other probes show as numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from cotgap.benchmark.metrics.core import COT, PROMPT
from cotgap.benchmark.probes import conflict
from cotgap.benchmark.probes.attribution import NAMES
from cotgap.benchmark.probes.core import Figure
from cotgap.benchmark.probes.dose import CONTROLS, DOSES
from cotgap.benchmark.probes.running import PanelFigures
from cotgap.benchmark.report.bars import Mark, in_words, interval, mark, reach
from cotgap.benchmark.report.charts import COLOURS, band, figure, to_svg
from cotgap.benchmark.report.terminal import show
from cotgap.benchmark.report.text import clip

Panels = Sequence[tuple[str, PanelFigures]]
"""(agent, its figures), on one panel."""
Values = dict[str, Any]
SAME, FREE, GOOD = "same as with all of it", "same as the free reply's", "as good as the expert's"
PARTS = {"prompt": "prompt", "reasoning": "cot", "template": "other1", "action": "other3"}
"""Part of the input → its colour."""
SHAPES = {"prompt": "s", "reasoning": "o", "template": "^", "action": "D"}
OUTCOMES = {
    conflict.FOLLOWED: "cot",
    conflict.ANCHORED: "prompt",
    conflict.OTHER: "neutral",
}


def compare(names: Sequence[str], groups: Mapping[str, str], change: str) -> Callable[..., Values]:
    """Rates of several groups on one axis, and the group `change` of their differences.

    `names` are the quantities, one column each; `groups` maps a group to its style.
    """

    def draw(panels: Panels) -> Values:
        found = [f for _, p in panels for f in p.figures if f.group == change]
        width = reach([figure.estimate for figure in found])
        rows = [
            {
                "agent": agent,
                "name": name,
                "marks": _marks(panel, name, groups),
                "change": _mark(panel.get(name, change), width),
                "more": [],
            }
            for name in names
            for agent, panel in panels
        ]
        return _compared([row for row in rows if row["marks"]], width)

    return draw


def _marks(panel: PanelFigures, name: str, groups: Mapping[str, str]) -> list[Mark]:
    found = ((style, panel.get(name, group)) for group, style in groups.items())
    return [mark(style, f.estimate, "rate") for style, f in found if f is not None]


def _mark(found: Figure | None, width: float) -> Mark | None:
    return None if found is None else mark("gap", found.estimate, "points", width)


def _compared(rows: Sequence[Values], width: float) -> Values:
    return {"kind": "compare", "rows": rows, "reach": f"{100 * width:.0f}"}


def branches(panels: Panels) -> Values:
    """Success after either action, and what the revision decides."""
    group = "states with a revision"
    changes = [f.estimate for _, p in panels if (f := p.get("a꜀ − aₚ", group)) is not None]
    width = reach(changes)
    after = {"success after aₚ": PROMPT, "success after a꜀": COT}
    rows = []
    for agent, panel in panels:
        found = [(style, panel.get(name, group)) for name, style in after.items()]
        decided = [panel.get(f"the revision {what} it", group) for what in ("wins", "loses")]
        rows.append(
            {
                "agent": agent,
                "name": "success after either action",
                "marks": [mark(style, f.estimate, "rate") for style, f in found if f is not None],
                "change": _mark(panel.get("a꜀ − aₚ", group), width),
                "more": [f"{f.name}: {in_words(f.estimate, 'rate')}" for f in decided if f],
            }
        )
    return _compared(rows, width)


def conflicts(panels: Panels) -> Values:
    """A bar for each source of traces and each verdict on the prompt action; then the controls."""
    stacks = [
        {"agent": agent, "label": f"{source}{group}", **stack}
        for source in conflict.SOURCES
        for group in conflict.GROUPS
        for agent, panel in panels
        if (stack := _stack(panel, f"{source}{group}", OUTCOMES))
    ]
    controls = [
        {"agent": agent, "label": label, "mark": mark(PROMPT, found.estimate, "rate")}
        for label in conflict.CONTROLS.values()
        for agent, panel in panels
        if (found := panel.get("keeps aₚ", label)) is not None
    ]
    return {"kind": "stacks", "stacks": stacks, "controls": controls, "legend": OUTCOMES}


def _stack(panel: PanelFigures, group: str, styles: Mapping[str, str]) -> Values:
    """Shares that add up to 1, each with its interval; empty where there is none."""
    found = [(name, f) for name in styles if (f := panel.get(name, group)) is not None]
    if not found:
        return {}
    return {
        "n": f"{found[0][1].estimate.n:,} {found[0][1].estimate.unit}",
        "shares": [
            {
                "name": name,
                "style": styles[name],
                "value": show(f.estimate.value, "rate"),
                "interval": interval(f.estimate, "rate"),
                "width": round(100 * f.estimate.value, 2),
            }
            for name, f in found
        ],
    }


def attributions(panels: Panels) -> Values:
    """Shares of attention, of gradients and of tokens; then layer by layer."""
    stacks = [
        {"agent": agent, "label": kind, **stack}
        for kind in ("attention", "gradient", "tokens")
        for agent, panel in panels
        if (stack := _stack(panel, kind, PARTS))
    ]
    charts = [
        {"title": f"{agent}: {kind} by layer", "chart": chart}
        for agent, panel in panels
        for kind in ("attention", "gradient")
        if (chart := _layers(agent, panel, kind)) is not None
    ]
    return {"kind": "stacks", "stacks": stacks, "controls": [], "legend": PARTS, "charts": charts}


def _layers(agent: str, panel: PanelFigures, kind: str) -> Markup | None:
    """Each part's share over layers; None where there are no layers."""
    groups = list(dict.fromkeys(f.group for f in panel.figures if f.group.startswith(f"{kind}, ")))
    if not groups:
        return None
    with figure(340, 230) as drawn:
        axes = drawn.subplots()
        for part in NAMES:
            found = [panel.get(part, group) for group in groups]
            points = [(n, f.estimate) for n, f in enumerate(found) if f is not None]
            band(axes, points, COLOURS[PARTS[part]], SHAPES[part], label=part)
        axes.set_xticks(range(len(groups)))
        axes.set_ylim(-2, 102)
        axes.set_xlabel("layer")
        axes.set_ylabel("share, %")
        drawn.legend(loc="outside upper left", ncols=4, fontsize=8, columnspacing=1)
        return to_svg(drawn, f"Shares of {kind} by layer, {clip(agent)} on {clip(panel.panel)}")


def doses(panels: Panels) -> Values:
    """Agreement and quality over the share of the trace that is kept, and for the controls."""
    charts = [{"title": agent, "chart": _dose(agent, panel)} for agent, panel in panels]
    return {"kind": "charts", "charts": charts}


def _dose(agent: str, panel: PanelFigures) -> Markup:
    places = {f"dose {name}": 4 * dose for name, dose in DOSES.items()}
    places |= {name: 5.2 + 1.3 * number for number, name in enumerate(CONTROLS)}
    with figure(520, 300) as drawn:
        axes = drawn.subplots()
        for shift, names, label, colour, shape in (
            (-0.08, (SAME, FREE), "as with the whole trace (at 1: as the free reply)", "cot", "o"),
            (0.08, (GOOD,), GOOD, "helpful", "^"),
        ):
            points = list(_points(panel, places, names))
            curve = [(x, e) for x, e in points if x <= 4]
            band(axes, curve, COLOURS[colour], shape, label=label)
            for x, estimate in points:
                if x > 4:
                    band(axes, [(x + shift, estimate)], COLOURS[colour], shape)
        axes.axvline(4.5, color=COLOURS["line"], linewidth=1, linestyle=(0, (4, 3)))
        labels = [place.removeprefix("dose ") for place in places]
        axes.set_xticks(list(places.values()), labels)
        axes.set_xlim(-0.3, 4.7 + 1.3 * len(CONTROLS))
        axes.set_ylim(-2, 102)
        axes.set_ylabel("states, %")
        axes.set_xlabel("share of the trace that is kept; controls")
        drawn.legend(loc="outside upper left", fontsize=8.5)
        return to_svg(drawn, f"Dose curve of {clip(agent)} on {clip(panel.panel)}")


def _points(
    panel: PanelFigures, places: Mapping[str, float], names: Sequence[str]
) -> Iterator[tuple[float, Any]]:
    for group, x in places.items():
        for name in names:
            if (found := panel.get(name, group)) is not None:
                yield x, found.estimate


DRAWINGS: Mapping[str, Callable[[Panels], Values]] = {
    "offline": compare(
        ("the expert's action", GOOD, "no action"),
        {PROMPT: PROMPT, COT: COT},
        f"{PROMPT} → {COT}",
    ),
    "conflict": conflicts,
    "dose": doses,
    "attribution": attributions,
    "branch": branches,
}
"""Probe → what its template gets, by `kind`: `compare`, `stacks` or `charts`."""

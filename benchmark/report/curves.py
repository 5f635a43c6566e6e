"""Curves over the checkpoints of a sweep, and what they are drawn from."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cotgap.benchmark.metrics.core import COT, PAIR, PROMPT, part_name
from cotgap.benchmark.probes.conflict import FOLLOWED
from cotgap.benchmark.probes.running import ProbeResult
from cotgap.benchmark.report.bars import Axis
from cotgap.benchmark.report.charts import COLOURS, band, figure, to_svg
from cotgap.benchmark.report.source import Run
from cotgap.benchmark.report.text import clip
from cotgap.benchmark.stats.intervals import Estimate
from cotgap.benchmark.sweeps.series import Checkpoint

ARMS = ("other2", "other1", "other3", "harmful", "helpful", "neutral")
"""Colours of the series of a sweep, in their order."""
SHAPES = ("o", "s", "^", "D", "v", "P")
MARGIN = 0.06  # of the axis, beyond the first and the last step
DODGE = 0.03  # of the axis between series, so that points at one step do not hide each other


@dataclass(frozen=True)
class Measured:
    """A checkpoint and what there is of it: its run (at `place` of the report's) and its probes."""

    checkpoint: Checkpoint
    run: Run | None
    place: int | None
    probes: Mapping[str, ProbeResult]

    def get(self, panel: str, quantity: Quantity) -> Estimate | None:
        """A quantity on a panel, as far as it was measured."""
        if quantity.source == "run":
            summaries = self.run.summaries if self.run else []
            found = [s.metrics.get(quantity.name, {}) for s in summaries if s.panel == panel]
            return next((parts[quantity.part] for parts in found if quantity.part in parts), None)
        result = self.probes.get(quantity.source)
        panels = [one for one in result.panels if one.panel == panel] if result else []
        figures = (one.get(quantity.name, quantity.part) for one in panels)
        return next((found.estimate for found in figures if found is not None), None)


@dataclass(frozen=True)
class Quantity:
    """A metric of runs (`source` is "run") or a figure of a probe; `part` as in `sweeps.rows`."""

    title: str
    source: str
    name: str
    part: str
    unit: Axis = "rate"


QUANTITIES = (
    Quantity("Success, prompt action", "run", "success", PROMPT),
    Quantity("Success, CoT action", "run", "success", COT),
    Quantity("CoT gap", "run", "cot_gap", part_name(PAIR), "points"),
    Quantity("Revision rate", "run", "revision", part_name(PAIR)),
    Quantity("Conflict follow rate, the suite's arguments", "conflict", FOLLOWED, "rationale"),
    Quantity("Conflict follow rate, own traces", "conflict", FOLLOWED, "own"),
    Quantity("Offline accuracy, prompt action", "offline", "the expert's action", PROMPT),
    Quantity("Offline accuracy, CoT action", "offline", "the expert's action", COT),
)


def series(measured: Sequence[Measured]) -> list[str]:
    """The names of the series, in the order of their styles."""
    return list(dict.fromkeys(one.checkpoint.series for one in measured))


def geometric(steps: Sequence[int]) -> bool:
    """Whether steps grow rather by factors than by summands: a logarithmic axis then suits them."""
    steps = sorted(set(steps))
    if len(steps) < 3 or steps[0] < 1:
        return False
    pairs = list(itertools.pairwise(steps))
    summands, factors = [b - a for a, b in pairs], [b / a for a, b in pairs]
    return max(factors) / min(factors) < max(summands) / min(summands)


def chart(measured: Sequence[Measured], panel: str, quantity: Quantity, name: str) -> Markup | None:
    """One quantity on one panel over the steps, a curve for each series; None without a number.

    `name` tells the drawing from others on its page.
    """
    names = series(measured)
    curves = {arm: list(_points(measured, panel, quantity, arm)) for arm in names}
    if not any(curves.values()):
        return None
    steps = sorted({one.checkpoint.step for one in measured})
    logarithmic, points = geometric(steps), quantity.unit == "points"
    with figure(270, 185) as drawn:
        axes = drawn.subplots()
        if logarithmic:
            axes.set_xscale("log")
        ends = (-100.0, 100.0) if points else (0.0, 100.0)
        for place, curve in enumerate(curves.values()):
            shift = (place - (len(names) - 1) / 2) * DODGE
            moved = [(_moved(step, shift, steps, logarithmic), e) for step, e in curve]
            colour, shape = COLOURS[ARMS[place % len(ARMS)]], SHAPES[place % len(SHAPES)]
            band(axes, moved, colour, shape, ends=ends)
        axes.set_xlim(
            *(
                _moved(end, shift, steps, logarithmic)
                for end, shift in ((steps[0], -MARGIN), (steps[-1], MARGIN))
            )
        )
        axes.set_xticks(steps, [f"{step:,}" for step in steps])
        axes.minorticks_off()
        axes.tick_params(labelsize=8)
        if points:
            axes.axhline(0, color=COLOURS["muted"], linewidth=1)
            axes.set_ylim(*_around_zero(curves))
        else:
            axes.set_ylim(-3, 103)
        axes.set_ylabel("pp" if points else "%")
        title = f"{quantity.title} over steps on {clip(panel)}, {name}; numbers are in the table"
        return to_svg(drawn, title)


def _points(
    measured: Sequence[Measured], panel: str, quantity: Quantity, arm: str
) -> Iterator[tuple[int, Estimate]]:
    for one in measured:
        if one.checkpoint.series == arm and (found := one.get(panel, quantity)) is not None:
            yield one.checkpoint.step, found


def _moved(step: int, shift: float, steps: Sequence[int], logarithmic: bool) -> float:
    if logarithmic:
        return float(step * (steps[-1] / steps[0]) ** shift)
    return step + shift * (steps[-1] - steps[0] or 1)


def _around_zero(curves: Mapping[str, Sequence[tuple[int, Estimate]]]) -> tuple[float, float]:
    """An axis with 0 in the middle that holds all intervals."""
    found = [e for curve in curves.values() for _, e in curve]
    ends = [abs(b) for e in found for b in (e.low, e.high, e.value) if b is not None]
    reach = min(105.0, max(10.0, 110 * max(ends, default=1.0)))
    return -reach, reach

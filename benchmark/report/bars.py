"""Numbers with their intervals as a template draws them: one row of a table, one bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cotgap.benchmark.metrics.core import Unit
from cotgap.benchmark.report import terminal
from cotgap.benchmark.report.terminal import show
from cotgap.benchmark.stats.intervals import Estimate, wilson
from cotgap.envs.audits import Audit

Axis = Literal["rate", "points", "yield"]


@dataclass(frozen=True)
class Mark:
    """A number on an axis: `at`, `low` and `high` are percentages of its width.

    `style` is a mode's name or what else decides shape and colour; `text` is the number in words.
    """

    style: str
    at: float
    low: float
    high: float
    text: str


@dataclass(frozen=True)
class Bound:
    """A scripted agent's result on a panel, as a tick on the axis of rates."""

    name: str
    at: float
    text: str


def in_words(estimate: Estimate, unit: Unit) -> str:
    """`80.0% (70.3…87.1, n 85)`; a side without a bound shows as `?`."""
    value = show(estimate.value, unit)
    if unit == "count":
        return f"{value} of {estimate.n:,}"
    return f"{value} ({interval(estimate, unit)}, n {estimate.n:,})"


def interval(estimate: Estimate, unit: Unit) -> str:
    """`70.3…87.1`."""
    return terminal.interval(estimate, unit) or "?…?"


def mark(style: str, estimate: Estimate, axis: Axis, reach: float = 1.0) -> Mark:
    """An estimate on the axis from 0 to `reach`, or from -`reach` to `reach` (`points`)."""
    least, most = -reach if axis == "points" else 0.0, reach

    def place(value: float | None, otherwise: float) -> float:
        value = otherwise if value is None else value
        return round(100 * (min(max(value, least), most) - least) / (most - least), 2)

    return Mark(
        style=style,
        at=place(estimate.value, least),
        low=place(estimate.low, least),
        high=place(estimate.high, most),
        text=in_words(estimate, axis),
    )


def reach(estimates: Sequence[Estimate]) -> float:
    """A round bound that holds every interval of differences: the half-width of their axis."""
    ends = [
        abs(bound) for e in estimates for bound in (e.low, e.high, e.value) if bound is not None
    ]
    widest = max(ends, default=0.0)
    return next((bound for bound in (0.1, 0.25, 0.5) if widest <= bound), 1.0)


def bounds(audit: Audit | None) -> list[Bound]:
    """What the audit's agents came to; nothing where the panel was not audited under its lock."""
    if audit is None:
        return []
    found = []
    for name, played in audit.agents.items():
        share = played.won / played.n
        low, high = wilson(share, played.n)
        text = f"{show(share, 'rate')} ({100 * low:.1f}…{100 * high:.1f}, n {played.n})"
        found.append(Bound(name, round(100 * share, 2), text))
    return found

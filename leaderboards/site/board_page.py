"""A board's page: its tables as plain values for the template."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from cotgap.benchmark.metrics.core import Unit
from cotgap.benchmark.report.bars import Mark, interval, mark, reach
from cotgap.benchmark.report.terminal import show
from cotgap.benchmark.stats.intervals import Estimate
from cotgap.leaderboards.boards.core import Measure
from cotgap.leaderboards.schema import Entry
from cotgap.leaderboards.site.prose import prose
from cotgap.leaderboards.site.words import TIERS, conditions, view_name
from cotgap.leaderboards.tables import Beside, Filled, Row, Table

DRAWN: tuple[Unit, ...] = ("rate", "points", "yield")


def values(filled: Filled) -> dict[str, Any]:
    """What the template shows; `tables` in order of panels, those without ranks last."""
    board = filled.board
    every = (*filled.tables, *filled.apart)
    tables = [_table(table) for table in every]
    rows = [row for table in every for row in table.rows]
    return {
        "board": board,
        "doc": prose(board.doc),
        "tables": tables,
        "untold": [linked(entry) for entry in filled.untold],
        "filters": {
            "suite": _options(table.setting.suite for table in every),
            "panel": _options(table.setting.panel for table in every),
            "mode": _options(t.view for t in every) if board.scope == "mode" else [],
            "tier": [tier for tier in TIERS if any(row.entry.tier == tier for row in rows)],
            "dtype": _options(_dtype(row) for row in rows),
        },
    }


def linked(entry: Entry) -> dict[str, Any]:
    """An entry as other pages name it."""
    entrant = entry.submission.entrant
    return {
        "slug": entry.slug,
        "name": str(entrant.name),
        "organisation": str(entrant.organisation),
        "tier": entry.tier,
    }


def anchor(table: Table) -> str:
    """The table's id on its page."""
    inside = table.inside.digest if table.inside else ""
    return "-".join(filter(None, ("t", table.setting.digest, inside[:6], table.view)))


def _options(values: Iterable[str]) -> list[str]:
    return sorted(set(values))


def _dtype(row: Row) -> str:
    return row.contender.here.dtype or "not told"


def _table(table: Table) -> dict[str, Any]:
    drawn = [m for m in table.measures if m.by_task and m.unit in DRAWN]
    axes = {m.name: _reach(m, table) for m in drawn}
    return {
        "id": anchor(table),
        "suite": table.setting.suite,
        "panel": table.setting.panel,
        "mode": table.view if len(table.part) == 1 else "",
        "view": view_name(table.part),
        "conditions": conditions(table.setting),
        "lock": table.setting.lock,
        "apart": table.apart,
        "axes": ", ".join(table.axes),
        "inside": None if table.inside is None else table.inside.panel,
        "inside_conditions": "" if table.inside is None else conditions(table.inside),
        "ordered_by": table.measures[0].name,
        "measures": [
            {
                "name": m.name,
                "title": m.title,
                "doc": m.doc,
                "ranked": m.by_task is not None,
                "sorted": "descending" if m.direction == "higher" else "ascending",
                "axis": _axis(m, axes[m.name]) if m.name in axes else None,
            }
            for m in table.measures
        ],
        "rows": [_row(row, table, axes) for row in table.rows],
        "beside": [_beside(one, table, axes) for one in table.beside],
    }


def _row(row: Row, table: Table, axes: Mapping[str, float]) -> dict[str, Any]:
    here, first = row.contender.here, row.ranks.get(table.measures[0].name)
    return {
        **linked(row.entry),
        "rank": "–" if first is None else str(first),
        "rank_key": "" if first is None else first.best + first.worst / 1000,
        "cells": [_cell(m, row.estimates.get(m.name), table, axes, row) for m in table.measures],
        "remark": row.remark,
        "dtype": _dtype(row),
        "backend": here.backend,
    }


def _beside(one: Beside, table: Table, axes: Mapping[str, float]) -> dict[str, Any]:
    return {
        "name": one.name,
        "kind": one.kind,
        "origin": one.origin,
        "entry": None if one.entry is None else linked(one.entry),
        "cells": [_cell(m, one.estimates.get(m.name), table, axes, None) for m in table.measures],
    }


def _cell(
    measure: Measure,
    estimate: Estimate | None,
    table: Table,
    axes: Mapping[str, float],
    row: Row | None,
) -> dict[str, Any] | None:
    if estimate is None:
        return None
    rank = row.ranks.get(measure.name) if row else None
    first = measure.name == table.measures[0].name
    return {
        "value": show(estimate.value, measure.unit),
        "interval": interval(estimate, measure.unit),
        "n": _n(estimate),
        "key": f"{estimate.value:.12g}",
        "rank": None if rank is None or first else str(rank),
        "mark": _mark(measure, estimate, table, axes),
    }


def _n(estimate: Estimate) -> str:
    tasks = f" in {estimate.clusters:,} tasks" if estimate.clusters else ""
    return f"{estimate.n:,} {estimate.unit}{tasks}"


def _mark(
    measure: Measure, estimate: Estimate, table: Table, axes: Mapping[str, float]
) -> Mark | None:
    if measure.name not in axes or measure.unit not in ("rate", "points", "yield"):
        return None
    style = table.view if len(table.part) == 1 else "gap"
    return mark(style, estimate, measure.unit, axes[measure.name])


def _reach(measure: Measure, table: Table) -> float:
    """How far the measure's axis goes."""
    if measure.unit == "rate":
        return 1.0
    shown = [one.estimates for one in table.rows] + [one.estimates for one in table.beside]
    estimates = [found for one in shown if (found := one.get(measure.name)) is not None]
    if measure.unit == "points":
        return reach(estimates)
    most = max((e.value if e.high is None else e.high for e in estimates), default=0.0)
    if most <= 0:
        return 1.0
    digit = 10.0 ** math.floor(math.log10(most))
    return next(step * digit for step in (1, 2, 5, 10) if most <= step * digit)


def _axis(measure: Measure, most: float) -> tuple[str, str, str]:
    """The axis' ends and middle in words."""
    if measure.unit == "rate":
        return "0", "50", "100"
    if measure.unit == "points":
        return f"−{100 * most:.0f}", "0", f"+{100 * most:.0f}"
    return "0", f"{most / 2:g}", f"{most:g}"

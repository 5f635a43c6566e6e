"""Figures from rows: shares and means over states, clustered by task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from cotgap.benchmark.probes.core import Figure
from cotgap.benchmark.stats import intervals

Rows = Sequence[Sequence[dict[str, Any]]]
"""The rows of each task."""


def share(
    rows: Rows, name: str, group: str, verdict: Callable[[dict[str, Any]], bool | None]
) -> list[Figure]:
    """The share of states with that verdict; those for which it is None are left out.

    No figure where no state is left.
    """
    verdicts = _values(rows, verdict)
    if not verdicts:
        return []
    estimate = intervals.rate(
        [sum(task) for task in verdicts], [len(task) for task in verdicts], "states"
    )
    return [Figure(name, group, "rate", estimate)]


def mean_share(
    rows: Rows,
    name: str,
    group: str,
    amount: Callable[[dict[str, Any]], float | None],
    *,
    detail: bool = False,
) -> list[Figure]:
    """The mean over states of a share of something; see `share`."""
    amounts = _values(rows, amount)
    if not amounts:
        return []
    estimate = intervals.mean(
        [sum(task) for task in amounts], [len(task) for task in amounts], "states", least=0.0
    )
    return [Figure(name, group, "rate", estimate, detail)]


def difference(
    rows: Rows,
    name: str,
    group: str,
    first: Callable[[dict[str, Any]], bool | None],
    second: Callable[[dict[str, Any]], bool | None],
) -> list[Figure]:
    """`second` − `first`, two verdicts on the same states, as rates of each task (all alike)."""
    pairs = [
        [(a, b) for row in task if (a := first(row)) is not None and (b := second(row)) is not None]
        for task in rows
    ]
    pairs = [task for task in pairs if task]
    if not pairs:
        return []
    before, after = (
        [Fraction(sum(pair[side] for pair in task), len(task)) for task in pairs] for side in (0, 1)
    )
    return [Figure(name, group, "points", intervals.paired_difference(before, after, "tasks"))]


def _values(rows: Rows, value: Callable[[dict[str, Any]], Any]) -> list[list[Any]]:
    found = [
        [v for row in task if "skipped" not in row and (v := value(row)) is not None]
        for task in rows
    ]
    return [task for task in found if task]

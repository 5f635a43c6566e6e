"""The definitions page, made of the docstrings and descriptions in the code itself."""

from __future__ import annotations

import inspect
from typing import Any

from markupsafe import Markup

from cotgap.benchmark.metrics.core import NEEDS, metrics
from cotgap.benchmark.stats import intervals
from cotgap.leaderboards import ranking, rules, settings
from cotgap.leaderboards.boards.core import boards
from cotgap.leaderboards.site.prose import prose
from cotgap.leaderboards.site.words import TIERS

DIRECTIONS = {
    "higher": "higher is better",
    "lower": "lower is better",
    "neutral": "neither is better",
}


def rules_of_entry() -> Markup:
    """The rules of entry, without their heading."""
    return prose((rules.__doc__ or "").partition("\n")[2])


def values() -> dict[str, Any]:
    """What the template shows."""
    return {
        "boards": [
            {
                "name": board.name,
                "title": board.title,
                "doc": prose(board.doc),
                "ranked": list(dict.fromkeys(m.title for m in board.typical if m.by_task)),
                "own": [
                    {"title": m.title, "doc": prose(m.doc)}
                    for m in board.typical
                    if m.doc not in {metric.doc for metric in metrics().values()}
                ],
            }
            for board in boards().values()
        ],
        "metrics": [
            {
                "name": metric.name,
                "title": metric.title,
                "doc": prose(metric.doc),
                "direction": DIRECTIONS[metric.direction],
                "needs": [NEEDS[need] for need in metric.needs],
            }
            for metric in metrics().values()
        ],
        "rules": rules_of_entry(),
        "ranking": prose(ranking.__doc__ or ""),
        "comparable": prose(settings.__doc__ or ""),
        "tiers": list(TIERS.items()),
        "statistics": prose(intervals.__doc__ or ""),
        "functions": [
            {"name": name, "doc": prose(function.__doc__ or "")}
            for name, function in inspect.getmembers(intervals, inspect.isfunction)
            if function.__module__ == intervals.__name__ and not name.startswith("_")
        ],
    }

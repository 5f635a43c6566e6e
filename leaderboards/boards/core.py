"""What a board is, where boards are found, and what they share.

A board is one file of this folder with a `BOARD` object; its name is the file's. It says what is
shown and by what it is ranked; `cotgap.leaderboards.tables` does the rest. Numbers come from
`cotgap.benchmark.metrics`, so that a board and a run's summary cannot differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from cotgap.benchmark.metrics.core import COT, PROMPT, Metric, Unit, by_task, get_metric
from cotgap.benchmark.metrics.summary import PAIR
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.stats.intervals import Estimate
from cotgap.envs.plugins import Extensions
from cotgap.leaderboards.played import Played
from cotgap.leaderboards.ranking import Weights

MODES = (COT, PROMPT)


@dataclass(frozen=True)
class Contender:
    """One entry in one table: what it played there (`here`).

    On boards of held-out panels, `inside` is what it played in-domain, where it did.
    """

    here: Played
    inside: Played | None = None


@dataclass(frozen=True)
class Measure:
    """A column: a number with its interval, and its ranks where `by_task` allows to compare.

    `rates` says that it is a success rate on the panel itself (`here`) or in-domain (`inside`):
    there floor, ceiling and published numbers can stand beside. `counted`: it rests on counts of
    tokens, which replaying cannot check, so that only re-decoded entries are ranked by it.
    """

    name: str
    title: str
    doc: str
    unit: Unit
    direction: Literal["higher", "lower", "neutral"]
    estimate: Callable[[Contender], Estimate | None]
    by_task: Callable[[Contender], Weights] | None = None
    rates: Literal["", "here", "inside"] = ""
    counted: bool = False


@dataclass(frozen=True)
class Remark:
    """A word on a row beside its numbers. `style` is a colour's name in the style sheet."""

    style: Literal["helpful", "harmful", "neutral"]
    text: str


@dataclass(frozen=True)
class Board:
    """What a board shows. `views` maps a mode, or "pair", to the measures of its tables.

    The first measure orders the rows. `panels` "each": a table for each setting; "held out": for
    each setting that is out of domain for an entry, by its card (`cotgap.benchmark.domain.relate`).
    """

    name: str
    title: str
    doc: str
    order: int
    views: Mapping[str, tuple[Measure, ...]]
    panels: Literal["each", "held out"] = "each"
    remark: Callable[[Contender, str], Remark | None] = lambda contender, view: None


BOARDS: Extensions[Board] = Extensions(
    "board",
    __package__,
    "BOARD",
    Board,
    helpers=("core",),
    order=lambda board: (board.order, board.name),
)


def boards() -> Mapping[str, Board]:
    """Every board by name, in the order of pages."""
    return BOARDS.all()


def get_board(name: str) -> Board:
    """The board of that name; raises `UnknownNameError`."""
    return BOARDS.get(name)


# What boards share.


def of_metric(name: str, part: str, *, ranked: bool = False, title: str = "") -> Measure:
    """A metric as a column, of the episodes that mode `part` drove (or of all, for "pair")."""
    metric = get_metric(name)
    return Measure(
        name=name if part == PAIR else f"{name}_{part}",
        title=title or metric.title,
        doc=metric.doc,
        unit=metric.unit,
        direction=metric.direction,
        estimate=lambda contender: estimate(metric, contender.here, part),
        by_task=(lambda contender: weights(metric, contender.here, part)) if ranked else None,
        rates="here" if name == "success" else "",
        counted="tokens" in metric.needs,
    )


def estimate(metric: Metric, of: Played, part: str) -> Estimate | None:
    """A metric of what was played in a mode, or in all of them ("pair")."""
    episodes = _of_part(of, part)
    return metric.compute(episodes) if metric.applies(episodes) else None


def weights(metric: Metric, of: Played, part: str) -> Weights:
    """What each task adds to the metric: the metric itself, of the task's episodes alone.

    A task with nothing to count weighs nothing.
    """
    found = {}
    for task, episodes in by_task(_of_part(of, part)).items():
        own = metric.compute(episodes)
        found[task] = (Fraction(0), Fraction(0)) if own is None else _weight(metric.unit, own)
    return found


def _weight(unit: Unit, own: Estimate) -> tuple[Fraction, Fraction]:
    """(sum, total) from one task's estimate, whose sum is a whole number but for `points`."""
    if unit == "points":  # each task counts once, with a difference of two rates
        return Fraction(own.value).limit_denominator(10**6), Fraction(1)
    return Fraction(round(own.value * own.n)), Fraction(own.n)


def _of_part(of: Played, part: str) -> list[Episode]:
    return [e for e in of.episodes if part in (PAIR, e.mode)]

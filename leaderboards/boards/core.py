"""What a board is, where boards are found, and what they share.

A board is one file of this folder with a `BOARD` object; its name is the file's. It says what is
shown and by what it is ranked; `cotgap.leaderboards.tables` does the rest. Numbers come from
`cotgap.benchmark.metrics`, so that a board and a run's summary cannot differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from cotgap.benchmark.metrics.core import (
    PAIR,
    PROMPT,
    Metric,
    Part,
    Unit,
    get_metric,
    pairs,
    part_name,
)
from cotgap.benchmark.stats.intervals import Estimate
from cotgap.envs.plugins import Extensions
from cotgap.leaderboards.ranking import Weights
from cotgap.leaderboards.settings import Played


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
    """What a board shows.

    `scope` "mode": each mode that entries were played in has its tables; "pair": every two of them.
    `measures` gives a table's columns, of which the first orders the rows (see `of_metrics`).
    `panels` "each": a table for each setting; "held out": for each setting that is out of domain
    for an entry, by its card (`cotgap.benchmark.domain.relate`). `remark` is given the mode, or the
    pair, as well.
    """

    name: str
    title: str
    doc: str
    order: int
    scope: Literal["mode", "pair"]
    measures: Callable[[Part], tuple[Measure, ...]]
    panels: Literal["each", "held out"] = "each"
    remark: Callable[[Contender, Part], Remark | None] = lambda contender, part: None

    def parts(self, modes: Iterable[str]) -> list[Part]:
        """What has tables among these modes, in the order of pages: `prompt` last, as in pairs."""
        named = sorted(set(modes))
        if self.scope == "pair":
            return pairs(named)
        return [(mode,) for mode in sorted(named, key=PROMPT.__eq__)]

    @property
    def typical(self) -> tuple[Measure, ...]:
        """The columns of the two modes of the CoT gap, or of the second one."""
        return self.measures(PAIR if self.scope == "pair" else PAIR[1:])


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


def of_metrics(
    *, ranked: Sequence[str], beside: Sequence[str] = ()
) -> Callable[[Part], tuple[Measure, ...]]:
    """Metrics as columns, by name. On boards of two modes a metric of one has a column for each."""

    def measures(part: Part) -> tuple[Measure, ...]:
        return tuple(
            of_metric(get_metric(name), its, ranked=name in ranked, alone=len(part) == 1)
            for name in (*ranked, *beside)
            for its in ([part] if get_metric(name).scope == "pair" else [(mode,) for mode in part])
        )

    return measures


def of_metric(metric: Metric, part: Part, *, ranked: bool = False, alone: bool = True) -> Measure:
    """A metric of one mode, or of a pair, as a column; `alone` on a page of this part."""
    return Measure(
        name=metric.name if metric.scope == "pair" else f"{metric.name}_{part_name(part)}",
        title=metric.title if alone or metric.scope == "pair" else f"{metric.title}, {part[0]}",
        doc=metric.doc,
        unit=metric.unit,
        direction=metric.direction,
        estimate=lambda contender: estimate(metric, contender.here, part),
        by_task=(lambda contender: weights(metric, contender.here, part)) if ranked else None,
        rates="here" if metric.name == "success" else "",
        counted="tokens" in metric.needs,
    )


def estimate(metric: Metric, of: Played, part: Part) -> Estimate | None:
    """A metric of what was played in a mode, or in two of them."""
    own = [e for e in of.episodes if metric.scope == "pair" or e.mode in part]
    return metric.estimate(own, part) if metric.applies(own) else None


def weights(metric: Metric, of: Played, part: Part) -> Weights:
    """What each task counts: their sums over their totals are the metric."""
    counts = metric.counts(of.episodes, part)
    return {task: (Fraction(x), Fraction(n)) for task, (x, n) in counts.items()}

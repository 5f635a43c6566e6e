"""A board's tables: who stands in which, in what order, with what ranks and what beside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from cotgap.benchmark.domain import Relation, reference, relate
from cotgap.benchmark.metrics.core import Part, decided, part_name
from cotgap.benchmark.report.published import published
from cotgap.benchmark.stats import intervals
from cotgap.benchmark.stats.intervals import Estimate
from cotgap.envs.audits import audit_of
from cotgap.envs.core import CoTGapError
from cotgap.envs.registry import get_panel
from cotgap.leaderboards.boards.core import Board, Contender, Measure, Remark
from cotgap.leaderboards.ranking import Ranks, rank
from cotgap.leaderboards.rules import unusual
from cotgap.leaderboards.schema import Entry
from cotgap.leaderboards.settings import SCRIPTED, Played, Setting


@dataclass(frozen=True)
class Row:
    """An entry's numbers; `ranks` holds the ranked measures that it has."""

    contender: Contender
    estimates: Mapping[str, Estimate]
    ranks: Mapping[str, Ranks]
    remark: Remark | None = None

    @property
    def entry(self) -> Entry:
        """Whose row it is."""
        return self.contender.here.entry


@dataclass(frozen=True)
class Beside:
    """A floor, a ceiling or somebody's published number: context that is never ranked.

    `entry` is the scripted agent's, where it is one; `origin` says where the number is from.
    """

    name: str
    kind: Literal["floor", "ceiling", "published"]
    estimates: Mapping[str, Estimate]
    origin: str
    entry: Entry | None = None


@dataclass(frozen=True)
class Table:
    """Numbers of a mode, or of a pair of modes, that are comparable.

    `rows` are in order of the first measure, best first.

    `inside` and `axes` are of boards of held-out panels: the setting that is in-domain (None where
    the suite has none that the entries played), and along what `setting` is out of domain. `apart`
    says what is not standard in either setting, for which reason there are no ranks.
    """

    board: Board
    part: Part
    setting: Setting
    measures: tuple[Measure, ...]
    rows: tuple[Row, ...]
    beside: tuple[Beside, ...] = ()
    inside: Setting | None = None
    axes: tuple[str, ...] = ()
    apart: str = ""

    @property
    def view(self) -> str:
        """The mode, or the pair as in `prompt-cot`."""
        return part_name(self.part)


@dataclass(frozen=True)
class Filled:
    """A board with its tables. `untold` are the entries whose training is not known.

    `apart` are the tables of settings that are not standard (see `cotgap.leaderboards.rules`).
    """

    board: Board
    tables: tuple[Table, ...]
    untold: tuple[Entry, ...] = ()
    apart: tuple[Table, ...] = ()

    @property
    def entries(self) -> int:
        """How many entries are ranked in some table."""
        return len({row.entry.slug for table in self.tables for row in table.rows})


def fill(board: Board, everything: Sequence[Played]) -> Filled:
    """The tables of a board from all that was played, the same whatever the order."""
    ordered = sorted(everything, key=lambda p: (p.setting, p.entry.slug))
    scripted = [one for one in ordered if one.scripted]
    ranked = [one for one in ordered if not one.scripted]
    untold: tuple[Entry, ...] = ()
    groups: dict[tuple[Setting, Setting | None, tuple[str, ...]], list[Contender]] = {}
    if board.panels == "each":
        for one in ranked:
            groups.setdefault((one.setting, None, ()), []).append(Contender(one))
    else:
        for contender, axes in _held_out(ranked):
            inside = contender.inside.setting if contender.inside else None
            groups.setdefault((contender.here.setting, inside, axes), []).append(contender)
        told = {one.entry.slug for one in ranked if relation(one).known}
        untold = tuple({p.entry.slug: p.entry for p in ranked if p.entry.slug not in told}.values())
    tables = [
        table
        for (setting, inside, axes), contenders in sorted(groups.items(), key=_place)
        for part in board.parts(decided(e for one in contenders for e in one.here.episodes))
        if (table := _table(board, part, setting, inside, axes, contenders, scripted)) is not None
    ]
    standard = tuple(table for table in tables if not table.apart)
    return Filled(board, standard, untold, tuple(table for table in tables if table.apart))


def relation(of: Played) -> Relation:
    """What the setting's panel is to the entry's agent, by its card; not known without one."""
    card = of.entry.submission.entrant.card
    if not card:
        return Relation(known=False)
    try:
        return relate(card, get_panel(of.setting.panel))
    except (CoTGapError, AttributeError, KeyError, TypeError):
        return Relation(known=False)  # a panel of another version, or what is no card


def _place(item: tuple[tuple[Setting, Setting | None, tuple[str, ...]], list[Contender]]) -> Any:
    """By panel; a panel's tables with the most tasks, then the most entries, first."""
    (setting, inside, axes), contenders = item
    insides = () if inside is None else (inside,)
    return setting.panel, -len(setting.tasks), -len(contenders), setting, axes, insides


def _held_out(ranked: Sequence[Played]) -> Iterator[tuple[Contender, tuple[str, ...]]]:
    """Everything that was out of domain, with what the same entry played in-domain."""
    for one in ranked:
        found = relation(one)
        if not found.ood or found.seen:  # what was trained on is not held out, whatever else is
            continue
        inside = [
            other
            for other in ranked
            if other.entry.slug == one.entry.slug
            and other.setting.suite == one.setting.suite
            and other.setting.conditions == one.setting.conditions
            and _as_long(other.setting, one.setting)
            and relation(other).in_domain
            and not relation(other).seen
        ]
        named = [p for p in inside if p.setting.panel == reference(one.setting.panel)]
        largest = max(named or inside, key=lambda p: len(p.setting.tasks), default=None)
        yield Contender(one, largest), found.axes


def _as_long(one: Setting, other: Setting) -> bool:
    """Whether both have their panels' own step limits, or the same."""
    own = [get_panel(s.panel).step_limit == s.step_limit for s in (one, other)]
    return all(own) or one.step_limit == other.step_limit


def _table(
    board: Board,
    part: Part,
    setting: Setting,
    inside: Setting | None,
    axes: tuple[str, ...],
    contenders: Sequence[Contender],
    scripted: Sequence[Played],
) -> Table | None:
    """None where nobody has the first measure."""
    first, *more = board.measures(part)
    rows = [row for one in contenders if first.name in (row := _row(board, part, one)).estimates]
    if not rows:
        return None
    shown = (first, *(m for m in more if any(m.name in row.estimates for row in rows)))
    apart = unusual(setting) or ("" if inside is None else unusual(inside))
    for measure in () if apart else shown:
        rows = _ranked(rows, measure)
    sign = -1 if first.direction == "higher" else 1
    rows.sort(key=lambda row: (sign * row.estimates[first.name].value, row.entry.slug))
    beside = (*_scripted(board, part, setting, scripted), *_published(first, setting))
    return Table(
        board=board,
        part=part,
        setting=setting,
        measures=shown,
        rows=tuple(rows),
        beside=(*beside, *_audited(shown, setting, inside, beside)),
        inside=inside,
        axes=axes,
        apart=apart,
    )


def _row(board: Board, part: Part, contender: Contender) -> Row:
    found = {measure.name: measure.estimate(contender) for measure in board.measures(part)}
    estimates = {name: value for name, value in found.items() if value is not None}
    return Row(contender, estimates, {}, board.remark(contender, part))


def _ranked(rows: Sequence[Row], measure: Measure) -> list[Row]:
    """The rows with their ranks by a measure, among those that have it.

    What rests on counts of tokens, which only decoding again can check, ranks no other rows.
    """
    by_task = measure.by_task
    if by_task is None:
        return list(rows)

    def competes(row: Row) -> bool:
        checked = not measure.counted or row.entry.tier == "re-decoded"
        return checked and measure.name in row.estimates

    weights = [by_task(row.contender) for row in rows if competes(row)]
    ranks = iter(rank(weights, higher=measure.direction == "higher"))
    return [
        replace(row, ranks={**row.ranks, measure.name: next(ranks)}) if competes(row) else row
        for row in rows
    ]


def _scripted(
    board: Board, part: Part, setting: Setting, scripted: Sequence[Played]
) -> Iterator[Beside]:
    for one in scripted:
        if one.setting == setting and (row := _row(board, part, Contender(one))).estimates:
            yield Beside(
                name=one.scripted,
                kind="floor" if SCRIPTED[one.scripted] == "floor" else "ceiling",
                estimates=row.estimates,
                origin="its entry",
                entry=one.entry,
            )


def _audited(
    measures: Sequence[Measure],
    setting: Setting,
    inside: Setting | None,
    beside: Sequence[Beside],
) -> Iterator[Beside]:
    """The audit's agents, but for those of whom a re-decoded entry stands beside already.

    (A replayed one need not be that agent.) An audit may have played other tasks of the panel: its
    n says how many.
    """
    entered = {one.name for one in beside if one.entry and one.entry.tier == "re-decoded"}
    if measures[0].rates != "here":
        return
    places = {"here": setting, "inside": inside}
    found: dict[str, dict[str, Estimate]] = {}
    for measure in measures:
        place = places.get(measure.rates)
        audit = audit_of(place.panel, place.lock) if place else None
        for name, own in audit.agents.items() if audit else ():
            if name in SCRIPTED and name not in entered:
                found.setdefault(name, {})[measure.name] = _share(own.won, own.n)
    for name, estimates in found.items():
        yield Beside(
            name=name,
            kind="floor" if SCRIPTED[name] == "floor" else "ceiling",
            estimates=estimates,
            origin="the panel's audit",
        )


def _published(first: Measure, setting: Setting) -> Iterator[Beside]:
    """Somebody's numbers on the whole panel under the same step limit."""
    if first.rates != "here" or len(setting.tasks) < setting.size:
        return
    for one in published(setting.panel, f"{setting.step_limit} steps"):
        estimate = _share(round(one.value * one.n), one.n)
        yield Beside(one.who, "published", {first.name: estimate}, f"{one.but}; {one.source}")


def _share(won: int, n: int) -> Estimate:
    """A success rate of which no more is known."""
    return intervals.rate([1] * won + [0] * (n - won), [1] * n, "episodes")

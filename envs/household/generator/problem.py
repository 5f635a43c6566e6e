"""Writes a drawn game down as ALFWorld has it: the PDDL problem and the task sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from cotgap.envs.household.generator.draw import Draft, Receptacle, fits
from cotgap.envs.household.generator.tables import (
    CLEANABLE,
    COOLABLE,
    HEATABLE,
    HOLDERS,
    LAMP,
    LOOK,
    OPENABLE,
    SLICEABLE,
    TWO,
)
from cotgap.envs.household.wording import Wording

_ABILITIES: Final = (
    ("cleanable", CLEANABLE),
    ("coolable", COOLABLE),
    ("heatable", HEATABLE),
    ("isReceptacleObject", HOLDERS),
    ("sliceable", SLICEABLE),
    ("toggleable", frozenset({LAMP})),
)
# What the goal asks of a treated object: the ability, and the state.
_TREATED: Final = {
    "clean": "(cleanable ?o) (isClean ?o)",
    "heat": "(heatable ?o) (isHot ?o)",
    "cool": "(coolable ?o) (isCool ?o)",
}
_BRING: Final = """\
(exists (?r - receptacle ?o - object) (and
    {treated}(objectType ?o {thing}Type) (receptacleType ?r {target}Type) (inReceptacle ?o ?r)))"""
_TWO: Final = """\
(exists (?r - receptacle ?o1 - object ?o2 - object) (and
    (not (= ?o1 ?o2)) (receptacleType ?r {target}Type)
    (objectType ?o1 {thing}Type) (inReceptacle ?o1 ?r)
    (objectType ?o2 {thing}Type) (inReceptacle ?o2 ?r)))"""
_LOOK: Final = """\
(and
    (exists (?t - object ?r - receptacle ?a - agent ?l - location) (and
        (objectType ?t {target}Type) (toggleable ?t) (isToggled ?t) (inReceptacle ?t ?r)
        (receptacleAtLocation ?r ?l) (atLocation ?a ?l)))
    (exists (?o - object ?a - agent) (and (objectType ?o {thing}Type) (holds ?a ?o))))"""


def sentence(draft: Draft, wording: Wording) -> str:
    """The task as a wording states it."""
    form: str = getattr(wording.tasks, draft.kind.short)[draft.phrase]
    return form.format(o=draft.thing.lower(), r=draft.target.lower())


def problem(draft: Draft) -> str:
    """The game's `pddl_problem`: the same text for the same objects in the same places.

    The text does not depend on the seed, the axis or the order of drawing.
    """
    numbers: Counter[str] = Counter()
    objects: list[tuple[str, str, Receptacle]] = []
    for thing, where in sorted(draft.placed):
        numbers[thing] += 1
        objects.append((f"{thing}_bar_{numbers[thing]:02d}", thing, where))
    places = {spot: f"loc_bar_{n + 1:02d}" for n, spot in enumerate(draft.receptacles)}
    holders = sorted({spot.type for spot in draft.receptacles})
    things = sorted(numbers)
    declared = [
        "agent1 - agent",
        *(f"{kind}Type - otype" for kind in things),
        *(f"{kind}Type - rtype" for kind in holders),
        *(f"{symbol} - object" for symbol, _, _ in objects),
        *(f"{_symbol(spot)} - receptacle" for spot in places),
        *(f"{place} - location" for place in ("loc_bar_00", *places.values())),
    ]
    facts = ["atLocation agent1 loc_bar_00"]
    for spot, place in places.items():
        facts.append(f"receptacleType {_symbol(spot)} {spot.type}Type")
        facts.append(f"receptacleAtLocation {_symbol(spot)} {place}")
        if spot.type in OPENABLE:
            facts.append(f"openable {_symbol(spot)}")
    for symbol, thing, where in objects:
        facts.append(f"objectType {symbol} {thing}Type")
        facts += [f"{ability} {symbol}" for ability, able in _ABILITIES if thing in able]
        facts += [f"pickupable {symbol}"] if thing != LAMP else []
        facts.append(f"inReceptacle {symbol} {_symbol(where)}")
        facts.append(f"objectAtLocation {symbol} {places[where]}")
    facts += [
        f"canContain {holder}Type {thing}Type"
        for holder in holders
        for thing in things
        if fits(thing, holder)
    ]
    return (
        "(define (problem household)\n(:domain alfred)\n"
        f"(:objects\n{_lines(declared)})\n"
        f"(:init\n{_lines(f'({fact})' for fact in facts)})\n"
        f"(:goal {goal(draft)}))\n"
    )


def goal(draft: Draft) -> str:
    """The goal in PDDL."""
    form = _TWO if draft.kind is TWO else _LOOK if draft.kind is LOOK else _BRING
    treated = _TREATED.get(draft.kind.short)
    return form.format(
        thing=draft.thing, target=draft.target, treated=f"{treated} " if treated else ""
    )


def _symbol(spot: Receptacle) -> str:
    # The game makes "sinkbasin 1" of "Sink_…_SinkBasin": basins are part of something.
    body = spot.type.removesuffix("Basin")
    part = f"_bar_{spot.type}" if body != spot.type else ""
    return f"{body}_bar_{spot.number:02d}{part}"


def _lines(items: Iterable[str]) -> str:
    return "\n".join(f"    {item}" for item in items)

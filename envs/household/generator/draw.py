"""Draws a house and its task by dice.

`Draft` is all that is drawn; `envs.household.generator.problem` writes it down. Only
`random.Random.random` is used, the one method whose values Python promises to keep for a seed, and
only in integer arithmetic and over ordered tables, so that a seed is the same game everywhere.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from envs.household.generator.axes import Axis
from envs.household.generator.tables import (
    HELD_OUT_OBJECTS,
    LAMP,
    LOOK,
    OPENABLE,
    ROOMS,
    TWO,
    Kind,
    Room,
)
from envs.household.habits import habits

Item = TypeVar("Item")


class Dice:
    """Random choices that are the same on every machine and in every Python."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed).random

    def below(self, bound: int) -> int:
        """A number from 0 to `bound` - 1."""
        return int(self._random() * bound)

    def pick(self, options: Sequence[Item]) -> Item:
        """One of the options."""
        return options[self.below(len(options))]

    def weighted(self, options: Sequence[Item], weights: Sequence[int]) -> Item:
        """One of the options, as likely as its weight says."""
        left = self.below(sum(weights))
        for option, weight in zip(options, weights, strict=True):
            left -= weight
            if left < 0:
                return option
        raise AssertionError("the weights have a sum")


class Receptacle(NamedTuple):
    """A receptacle: its type and its number among those of the type, from 1."""

    type: str
    number: int


@dataclass(slots=True)
class Draft:
    """A drawn game."""

    kind: Kind
    room: str
    receptacles: list[Receptacle]
    thing: str = ""
    """The type of the object that the task is about."""
    target: str = ""
    """The type of the receptacle that it has to get to; for a look, of the lamp."""
    phrase: int = 0
    """Which of a wording's sentences states the task."""
    placed: list[tuple[str, Receptacle]] = field(default_factory=list)
    """(object type, where it is), the task's objects first."""


class _Errand(NamedTuple):
    """A possible task: what to bring, to which type, and where it may be at first."""

    thing: str
    target: str
    sources: tuple[str, ...]


def draw(axis: Axis, kind: Kind, dice: Dice) -> Draft:
    """A house with a task of `kind`, by the rules of `axis`."""
    name = dice.pick(kind.rooms)  # once, so that no axis favours a room
    room = ROOMS[name]
    while True:
        draft = Draft(kind, name, _furnish(room, axis, dice))
        if _set_task(draft, room, axis, dice):
            _scatter(draft, room, dice)
            return draft


def weight(thing: str, receptacle: str) -> int:
    """How usual it is to find an object type in a receptacle type, in 1/10,000; 0 for never."""
    place, name = receptacle.lower(), thing.lower()
    if name not in habits().fits.get(place, ()) and thing != LAMP:
        return 0
    return round(habits().found.get(name, {}).get(place, 0.0) * 10_000)


def fits(thing: str, receptacle: str) -> bool:
    """Whether an object of a type can be put into a receptacle of another."""
    return thing.lower() in habits().fits.get(receptacle.lower(), ())


def _furnish(room: Room, axis: Axis, dice: Dice) -> list[Receptacle]:
    """What such rooms always have, then more of what they may have, up to a number of dice."""
    low, high = axis.receptacles
    size = low + dice.below(high - low + 1)
    counts = {row.type: row.least for row in room.furniture}
    spare = [
        row.type
        for row in room.furniture
        for _ in range((row.most_large if axis.large else row.most) - row.least)
    ]
    if axis.unusual:
        first = dice.pick(room.unusual)
        counts[first] = 1
        second = dice.pick(room.unusual)
        counts[second] = counts.get(second, 0) + 1
    while sum(counts.values()) < size:
        counts[spare.pop(dice.below(len(spare)))] += 1
    return [Receptacle(kind, n + 1) for kind in sorted(counts) for n in range(counts[kind])]


def _set_task(draft: Draft, room: Room, axis: Axis, dice: Dice) -> bool:
    """Choose the task and place its objects; False if this house allows none on this axis."""
    kind = draft.kind
    errands = [errand for errand in _errands(draft, room, axis) if errand.sources]
    if not errands:
        return False
    # The object first, so that those with many places do not come up more often.
    draft.thing = dice.pick(sorted({errand.thing for errand in errands}))
    errand = dice.pick([errand for errand in errands if errand.thing == draft.thing])
    draft.target, draft.phrase = errand.target, dice.below(2)
    count = 1 + (dice.below(5) < 2) + (kind is TWO)
    for _ in range(count):
        _place(draft, draft.thing, errand.sources, dice)
    if kind is LOOK:
        _place(draft, LAMP, _types(draft), dice)
    return True


def _errands(draft: Draft, room: Room, axis: Axis) -> list[_Errand]:
    kind, types = draft.kind, _types(draft)
    things = [
        thing
        for thing in room.objects
        if (thing in HELD_OUT_OBJECTS) is axis.held_out_object
        and (kind.objects is None or thing in kind.objects)
    ]
    if kind is LOOK:
        targets: tuple[str, ...] = (LAMP,) if any(weight(LAMP, place) for place in types) else ()
    else:
        targets = tuple(place for place in types if place not in kind.appliances)
    return [
        _errand(thing, target, types, room, axis)
        for thing in things
        for target in targets
        if target == LAMP or fits(thing, target)
    ]


def _errand(thing: str, target: str, types: tuple[str, ...], room: Room, axis: Axis) -> _Errand:
    """The task of bringing `thing` to `target`, with the sources that the axis allows."""
    sources = tuple(place for place in types if place != target and weight(thing, place))
    if axis.unusual and target not in room.unusual:
        sources = tuple(place for place in sources if place in room.unusual)
    if axis.large:
        sources = tuple(place for place in sources if place in OPENABLE)
        if target != LAMP and target not in OPENABLE:
            sources = ()
    return _Errand(thing, target, sources)


def _scatter(draft: Draft, room: Room, dice: Dice) -> None:
    """Add objects that the task is not about, about one for each receptacle."""
    types = _types(draft)
    others = [
        thing
        for thing in room.objects
        if thing not in HELD_OUT_OBJECTS
        and thing != draft.thing
        and any(weight(thing, place) for place in types)
    ]
    for _ in range(len(draft.receptacles) + dice.below(3)):
        _place(draft, dice.pick(others), types, dice)
    if room.lamp and draft.kind is not LOOK and dice.below(2):
        _place(draft, LAMP, types, dice)


def _place(draft: Draft, thing: str, types: Sequence[str], dice: Dice) -> None:
    """Put one object of a type where such objects are found, if anywhere here."""
    options = [receptacle for receptacle in draft.receptacles if receptacle.type in types]
    weights = [weight(thing, receptacle.type) for receptacle in options]
    if any(weights):
        draft.placed.append((thing, dice.weighted(options, weights)))


def _types(draft: Draft) -> tuple[str, ...]:
    return tuple(dict.fromkeys(receptacle.type for receptacle in draft.receptacles))

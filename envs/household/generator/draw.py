"""Draws a house and its task by dice.

`Draft` is all that is drawn; `cotgap.envs.household.generator.problem` writes it down. Only
`random.Random.random` is used, the one method whose values Python promises to keep for a seed, and
only in integer arithmetic and over ordered tables, so that a seed is the same game everywhere.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from cotgap.envs.household.generator.axes import Axis
from cotgap.envs.household.generator.tables import (
    HELD_OUT_OBJECTS,
    LAMP,
    LOOK,
    OPENABLE,
    ROOMS,
    TWO,
    Kind,
    Room,
)
from cotgap.envs.household.habits import habits

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


class Placed(NamedTuple):
    """An object of a type, and where it is."""

    type: str
    where: Receptacle


@dataclass(frozen=True, slots=True)
class Draft:
    """A drawn game."""

    kind: Kind
    room: str
    receptacles: tuple[Receptacle, ...]
    thing: str
    """The type of the object that the task is about."""
    target: str
    """The type of the receptacle that it has to get to; for a look, of the lamp."""
    phrase: int
    """Which of a wording's sentences states the task."""
    placed: tuple[Placed, ...]
    """The objects, the task's first."""


class _PossibleTask(NamedTuple):
    """A possible task: the object type, the receptacle type to bring it to, where it may be."""

    thing: str
    target: str
    sources: tuple[str, ...]


def draw(axis: Axis, kind: Kind, dice: Dice) -> Draft:
    """A house with a task of `kind`, by the rules of `axis`."""
    name = dice.pick(kind.rooms)  # drawn only once, so that no axis favours a room
    room = ROOMS[name]
    task = None
    while task is None:
        receptacles = _furnish(room, axis, dice)
        task = _choose(kind, receptacles, room, axis, dice)
    phrase = dice.below(2)
    placed = _place_task(kind, task, receptacles, dice)
    placed += _scatter(kind, task, receptacles, room, dice)
    return Draft(kind, name, receptacles, task.thing, task.target, phrase, tuple(placed))


def weight(thing: str, receptacle: str) -> int:
    """How usual it is to find an object type in a receptacle type, in 1/10,000; 0 for never."""
    place, name = receptacle.lower(), thing.lower()
    if name not in habits().fits.get(place, ()) and thing != LAMP:
        return 0
    return round(habits().found.get(name, {}).get(place, 0.0) * 10_000)


def fits(thing: str, receptacle: str) -> bool:
    """Whether an object of a type can be put into a receptacle of another."""
    return thing.lower() in habits().fits.get(receptacle.lower(), ())


def _furnish(room: Room, axis: Axis, dice: Dice) -> tuple[Receptacle, ...]:
    """What such rooms always have, then more of what they may have, up to a drawn number."""
    low, high = axis.receptacles
    size = low + dice.below(high - low + 1)
    counts = {row.type: row.least for row in room.furniture}
    spare = [
        row.type
        for row in room.furniture
        for _ in range((row.most_large if axis.large else row.most) - row.least)
    ]
    if axis.unusual:
        for _ in range(2):
            unusual = dice.pick(room.unusual)
            counts[unusual] = counts.get(unusual, 0) + 1
    while sum(counts.values()) < size:
        counts[spare.pop(dice.below(len(spare)))] += 1
    return tuple(Receptacle(kind, n + 1) for kind in sorted(counts) for n in range(counts[kind]))


def _choose(
    kind: Kind, receptacles: Sequence[Receptacle], room: Room, axis: Axis, dice: Dice
) -> _PossibleTask | None:
    """A task; None if this house allows none of the kind on this axis."""
    options = [task for task in _possible_tasks(kind, receptacles, room, axis) if task.sources]
    if not options:
        return None
    # The object is drawn first: otherwise objects with many places would come up more often.
    thing = dice.pick(sorted({task.thing for task in options}))
    return dice.pick([task for task in options if task.thing == thing])


def _possible_tasks(
    kind: Kind, receptacles: Sequence[Receptacle], room: Room, axis: Axis
) -> Iterator[_PossibleTask]:
    types = _types(receptacles)
    if kind is LOOK:
        targets = [LAMP] if any(weight(LAMP, place) for place in types) else []
    else:
        targets = [place for place in types if place not in kind.appliances]
    for thing in room.objects:
        if (thing in HELD_OUT_OBJECTS) is not axis.held_out_object:
            continue
        if kind.objects is not None and thing not in kind.objects:
            continue
        for target in targets:
            if target == LAMP or fits(thing, target):
                yield _PossibleTask(thing, target, _sources(thing, target, types, room, axis))


def _sources(
    thing: str, target: str, types: Sequence[str], room: Room, axis: Axis
) -> tuple[str, ...]:
    """The receptacle types where an object to be brought to `target` may be at first."""
    if axis.large and target != LAMP and target not in OPENABLE:
        return ()
    return tuple(
        place
        for place in types
        if place != target
        and weight(thing, place)
        and (not axis.unusual or {place, target} & {*room.unusual})
        and (not axis.large or place in OPENABLE)
    )


def _place_task(
    kind: Kind, task: _PossibleTask, receptacles: Sequence[Receptacle], dice: Dice
) -> list[Placed]:
    """Place the objects that the task is about: often one more than it needs."""
    count = 1 + (dice.below(5) < 2) + (kind is TWO)
    sources = [spot for spot in receptacles if spot.type in task.sources]
    placed = [_place(task.thing, sources, dice) for _ in range(count)]
    if kind is LOOK:
        placed.append(_place(LAMP, receptacles, dice))
    return placed


def _scatter(
    kind: Kind, task: _PossibleTask, receptacles: Sequence[Receptacle], room: Room, dice: Dice
) -> list[Placed]:
    """Place other objects, about one for each receptacle."""
    types = _types(receptacles)
    others = [
        thing
        for thing in room.objects
        if thing not in HELD_OUT_OBJECTS
        and thing != task.thing
        and any(weight(thing, place) for place in types)
    ]
    count = len(receptacles) + dice.below(3)
    placed = [_place(dice.pick(others), receptacles, dice) for _ in range(count)]
    if room.lamp and kind is not LOOK and any(weight(LAMP, place) for place in types):
        placed += [_place(LAMP, receptacles, dice)] if dice.below(2) else []
    return placed


def _place(thing: str, options: Sequence[Receptacle], dice: Dice) -> Placed:
    """Put an object of a type where such objects are found."""
    weights = [weight(thing, spot.type) for spot in options]
    return Placed(thing, dice.weighted(options, weights))


def _types(receptacles: Sequence[Receptacle]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(spot.type for spot in receptacles))

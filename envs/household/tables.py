"""Compiles a parsed problem into the tables of a `Game`: numbering, names, masks, the start."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cotgap.envs.household.errors import BadGame
from cotgap.envs.household.goal import Scope, compile_goal
from cotgap.envs.household.pddl import Problem
from cotgap.envs.household.wording import Wording

NOWHERE: Final = -1
"""The location of a receptacle that has none."""


@dataclass(frozen=True, slots=True, eq=False)
class Initial:
    """The changing part of a game as it starts; see `cotgap.envs.household.state.State`."""

    location: int
    contents: tuple[tuple[int, ...], ...]
    lying: tuple[int, ...]
    opened: int
    clean: int
    hot: int
    cool: int
    sliced: int
    toggled: int
    on: int


class Tables:
    """Numbers the symbols of a problem and turns its facts into a game's tables."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.facts = problem, problem.facts
        self.mentioned: set[str] = set()
        for rows in problem.facts.values():
            self.mentioned.update(*rows)
        unknown = self.mentioned - problem.types.keys()
        if unknown:
            raise BadGame(f"pddl_problem uses {min(unknown)!r} without declaring it")
        by_type: dict[str, list[str]] = {}
        for symbol in sorted(self.mentioned):
            by_type.setdefault(problem.types[symbol], []).append(symbol)
        self.object_ids = by_type.get("object", [])
        self.receptacle_ids = by_type.get("receptacle", [])
        self.location_ids = by_type.get("location", [])
        self.objects = _numbers(self.object_ids)
        self.receptacles = _numbers(self.receptacle_ids)
        self.locations = _numbers(self.location_ids)
        self.agent, self.start = self._agent()

    def compile(self, wording: Wording, task: str) -> dict[str, Any]:
        """The fields of `Game` that come from the problem."""
        names = _names(self.mentioned)
        object_types = self._types("objecttype", self.object_ids)
        receptacle_types = self._types("receptacletype", self.receptacle_ids)
        receptacle_names = tuple(names[symbol] for symbol in self.receptacle_ids)
        where, at = self._places()
        pairs = self.facts
        return {
            "object_names": tuple(names[symbol] for symbol in self.object_ids),
            "object_types": object_types,
            "receptacle_names": receptacle_names,
            "receptacle_types": receptacle_types,
            "receptacle_location": where,
            "location_names": tuple(names[symbol] for symbol in self.location_ids),
            "receptacles_at": at,
            "holder_contents": self._holders(),
            "accepts": self._accepts(object_types, receptacle_types),
            "openable": _mask(pairs["openable"], self.receptacles),
            "can_heat": _of_type(receptacle_types, ("microwavetype",)),
            "can_cool": _of_type(receptacle_types, ("fridgetype",)),
            "can_clean": _of_type(receptacle_types, wording.clean_at),
            "pickupable": _mask(pairs["pickupable"], self.objects),
            "heatable": _mask(pairs["heatable"], self.objects),
            "coolable": _mask(pairs["coolable"], self.objects),
            "cleanable": _mask(pairs["cleanable"], self.objects),
            "toggleable": _mask(pairs["toggleable"], self.objects),
            "sliceable": _mask(pairs["sliceable"], self.objects),
            "knives": _of_type(object_types, ("knifetype", "butterknifetype")),
            "intro": _intro(wording, task, receptacle_names, where, at[self.start]),
            "goal": compile_goal(self.problem.goal, self._scope()),
            "initial": self._initial(),
        }

    def _agent(self) -> tuple[str, int]:
        places = self.facts["atlocation"]
        if len(places) != 1 or places[0][1] not in self.locations:
            raise BadGame("pddl_problem should place one agent at one location")
        if self.facts["holds"] or self.facts["holdsany"]:
            raise BadGame("pddl_problem starts with something held, which no known game does")
        return places[0][0], self.locations[places[0][1]]

    def _types(self, predicate: str, ids: list[str]) -> tuple[str, ...]:
        types: dict[str, str] = {}
        for symbol, type_name in self.facts[predicate]:
            if types.setdefault(symbol, type_name) != type_name:
                raise BadGame(f"pddl_problem gives {symbol!r} two types")
        return tuple(sys.intern(types.get(symbol, "")) for symbol in ids)

    def _places(self) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
        where = [NOWHERE] * len(self.receptacles)
        for receptacle, location in self.facts["receptacleatlocation"]:
            r = self._number(receptacle, self.receptacles)
            place = self._number(location, self.locations)
            if where[r] not in (NOWHERE, place):
                raise BadGame(f"pddl_problem places {receptacle!r} at two locations")
            where[r] = place
        at: list[list[int]] = [[] for _ in self.locations]
        for r, place in enumerate(where):
            if place != NOWHERE:
                at[place].append(r)
        return tuple(where), tuple(map(tuple, at))

    def _holders(self) -> dict[int, tuple[int, ...]]:
        inside: dict[int, set[int]] = {}
        for (holder,) in self.facts["isreceptacleobject"]:
            if holder in self.objects:
                inside[self.objects[holder]] = set()
        for inner, outer in self.facts["inreceptacleobject"]:
            if self.objects.get(outer) in inside and inner in self.objects:
                inside[self.objects[outer]].add(self.objects[inner])
        return {holder: tuple(sorted(numbers)) for holder, numbers in inside.items()}

    def _accepts(
        self, object_types: tuple[str, ...], receptacle_types: tuple[str, ...]
    ) -> tuple[int, ...]:
        of_type: dict[str, int] = {}
        for o, type_name in enumerate(object_types):
            of_type[type_name] = of_type.get(type_name, 0) | 1 << o
        accepted = dict.fromkeys(receptacle_types, 0)
        for receptacle_type, object_type in self.facts["cancontain"]:
            if receptacle_type in accepted and object_type in of_type:
                accepted[receptacle_type] |= of_type[object_type]
        return tuple(accepted[type_name] for type_name in receptacle_types)

    def _initial(self) -> Initial:
        contents: list[set[int]] = [set() for _ in self.receptacles]
        for symbol, receptacle in self.facts["inreceptacle"]:
            contents[self._number(receptacle, self.receptacles)].add(
                self._number(symbol, self.objects)
            )
        lying = [0] * len(self.locations)
        for symbol, location in self.facts["objectatlocation"]:
            lying[self._number(location, self.locations)] |= 1 << self._number(symbol, self.objects)
        return Initial(
            location=self.start,
            contents=tuple(tuple(sorted(inside)) for inside in contents),
            lying=tuple(lying),
            opened=_mask(self.facts["opened"], self.receptacles),
            clean=_mask(self.facts["isclean"], self.objects),
            hot=_mask(self.facts["ishot"], self.objects),
            cool=_mask(self.facts["iscool"], self.objects),
            sliced=_mask(self.facts["issliced"], self.objects),
            toggled=_mask(self.facts["istoggled"], self.objects),
            on=_mask(self.facts["ison"], self.objects),
        )

    def _scope(self) -> Scope:
        ids = [*self.object_ids, *self.receptacle_ids, *self.location_ids, self.agent]
        rest = sorted(self.mentioned.difference(ids))
        return Scope([*ids, *rest], self.problem.types, self.facts)

    @staticmethod
    def _number(symbol: str, numbers: dict[str, int]) -> int:
        if symbol not in numbers:
            raise BadGame(f"pddl_problem declares {symbol!r} as another type than its facts need")
        return numbers[symbol]


def _names(ids: Iterable[str]) -> dict[str, str]:
    """Id → name. Ids of a class count down: the first of N mugs in order is "mug N".

    An id's class is what stands before its first "_bar_", with "basin" added when that occurs
    anywhere in the id. An id without "_bar_" has no number, and a name that ends in a space.
    """
    names, classes = {}, {}
    for symbol in sorted(ids):
        name, bar, _ = symbol.partition("_bar_")
        if bar:
            classes[symbol] = name + "basin" if "basin" in symbol else name
        else:
            names[symbol] = name + " "
    left = Counter(classes.values())
    for symbol, name in classes.items():
        names[symbol] = sys.intern(f"{name} {left[name]}")
        left[name] -= 1
    return names


def _numbers(symbols: Iterable[str]) -> dict[str, int]:
    return {symbol: number for number, symbol in enumerate(symbols)}


def _mask(rows: Iterable[Sequence[str]], numbers: dict[str, int]) -> int:
    mask = 0
    for (symbol,) in rows:
        if symbol in numbers:
            mask |= 1 << numbers[symbol]
    return mask


def _of_type(types: Iterable[str], wanted: tuple[str, ...]) -> int:
    mask = 0
    for number, type_name in enumerate(types):
        if type_name in wanted:
            mask |= 1 << number
    return mask


def _intro(
    wording: Wording,
    task: str,
    names: tuple[str, ...],
    where: tuple[int, ...],
    here: tuple[int, ...],
) -> str:
    if here:
        look = wording.facing_reply.format(
            receptacles=wording.enumerate([names[r] for r in here]), things=wording.nothing
        )
    else:
        placed = [name for name, place in zip(names, where, strict=True) if place != NOWHERE]
        look = wording.middle_reply.format(things=wording.items(placed))
    return wording.intro_reply.format(look=look, task=wording.task_reply.format(task=task))

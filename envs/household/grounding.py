"""Grounds a goal: lists every way to reach it, each as a set of facts that must hold at once.

This is for whoever plans towards a goal (`cotgap.envs.household.oracle`). Goals of the public data
are conjunctions of facts about variables that exist; one with anything else (`or`, `forall`,
something that must *not* hold, facts outside `WANTED`, symbols other than types) raises
`NotListable`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final, NamedTuple, TypeAlias

from cotgap.envs.household.game import Game
from cotgap.envs.household.pddl import Tree, typed_list

# Predicate → the kinds of its arguments.
WANTED: Final = {
    "atlocation": ("agent", "location"),
    "holds": ("agent", "object"),
    "inreceptacle": ("object", "receptacle"),
    "isclean": ("object",),
    "iscool": ("object",),
    "ishot": ("object",),
    "istoggled": ("object",),
}
"""The facts that actions change, of a listable goal."""
_GIVEN: Final = {
    "cleanable": ("object",),
    "coolable": ("object",),
    "heatable": ("object",),
    "objecttype": ("object", "type"),
    "openable": ("receptacle",),
    "pickupable": ("object",),
    "receptacleatlocation": ("receptacle", "location"),
    "receptacletype": ("receptacle", "type"),
    "sliceable": ("object",),
    "toggleable": ("object",),
}
MAX_WAYS: Final = 5_000

_Atom: TypeAlias = tuple[str, ...]
"""A predicate, "=" or "!=", and its arguments."""
_Fact: TypeAlias = tuple[str, int, int]
"""A predicate of `WANTED`, its object (or -1), its receptacle or location (or -1)."""
_Facts: TypeAlias = frozenset[_Fact]


class NotListable(Exception):  # noqa: N818 - an answer, not an error
    """The goal cannot be listed as sets of wanted facts."""


class Way(NamedTuple):
    """Facts that together fulfil the goal; numbers as in `Game`."""

    inside: frozenset[tuple[int, int]]
    """(object, receptacle) pairs: the object must be in the receptacle."""
    clean: frozenset[int]
    """Objects, as in the three following."""
    hot: frozenset[int]
    cool: frozenset[int]
    toggled: frozenset[int]
    held: int | None
    """The object to hold at the end, or None where that does not matter."""
    location: int | None
    """The location to stand at in the end, or None where that does not matter."""


def list_ways(game: Game) -> tuple[Way, ...]:
    """Every way to reach the game's goal, less those that no sequence of actions can bring about.

    Raises `NotListable`, also where there are more than `MAX_WAYS`.
    """
    variables: dict[str, str] = {}
    atoms: list[_Atom] = []
    _flatten(game.goal.tree, {}, variables, atoms)
    found = list(dict.fromkeys(islice(_Search(game, variables, atoms).run(), MAX_WAYS + 1)))
    if len(found) > MAX_WAYS:
        raise NotListable(f"more than {MAX_WAYS} ways to reach the goal")
    ways = (_way(facts) for facts in found)
    return tuple(way for way in ways if way is not None)


def _way(facts: _Facts) -> Way | None:
    """The facts in order, or None where they contradict each other."""
    objects: dict[str, set[int]] = {predicate: set() for predicate in WANTED}
    for predicate, obj, _ in facts:
        objects[predicate].add(obj)
    places = {place for predicate, _, place in facts if predicate == "atlocation"}
    held = objects["holds"]
    if len(held) > 1 or len(places) > 1 or objects["ishot"] & objects["iscool"]:
        return None
    return Way(
        inside=frozenset((obj, r) for predicate, obj, r in facts if predicate == "inreceptacle"),
        clean=frozenset(objects["isclean"]),
        hot=frozenset(objects["ishot"]),
        cool=frozenset(objects["iscool"]),
        toggled=frozenset(objects["istoggled"]),
        held=min(held, default=None),
        location=min(places, default=None),
    )


def _flatten(
    tree: Tree, renamed: Mapping[str, str], variables: dict[str, str], atoms: list[_Atom]
) -> None:
    """Collect a conjunction's variables (under names of their own; name → type) and its atoms."""
    match tree:
        case ["and", *parts]:
            for part in parts:
                _flatten(part, renamed, variables, atoms)
        case ["exists", list(names), body]:
            scope = dict(renamed)
            for name, kind in typed_list([str(name) for name in names]).items():
                scope[name] = f"{name}.{len(variables)}"
                variables[scope[name]] = kind
            _flatten(body, scope, variables, atoms)
        case ["not", ["=", str(left), str(right)]]:
            atoms.append(("!=", renamed.get(left, left), renamed.get(right, right)))
        case [str(head), *arguments] if head == "=" or head in WANTED or head in _GIVEN:
            atoms.append((head, *(renamed.get(str(arg), str(arg)) for arg in arguments)))
        case _:
            raise NotListable(f"the goal holds {tree}")


class _Search:
    """Binds one variable after the other and checks each atom as soon as it can."""

    def __init__(self, game: Game, variables: Mapping[str, str], atoms: list[_Atom]) -> None:
        self.game = game
        _check_kinds(variables, atoms)
        numbers = {
            "agent": 1,
            "location": len(game.location_names),
            "object": len(game.object_names),
            "receptacle": len(game.receptacle_names),
        }
        candidates = {name: list(range(numbers[kind])) for name, kind in variables.items()}
        rest: list[_Atom] = []
        for atom in atoms:
            used = [arg for arg in atom[1:] if arg in variables]
            if atom[0] in _GIVEN and len(used) == 1:
                name = used[0]
                candidates[name] = [n for n in candidates[name] if self._holds(atom, {name: n})]
            else:
                rest.append(atom)
        self.levels: list[tuple[str, list[int], list[_Atom]]] = []
        known: set[str] = set()
        for name in sorted(candidates, key=lambda name: len(candidates[name])):
            known.add(name)
            ready = [atom for atom in rest if known.issuperset(atom[1:])]
            rest = [atom for atom in rest if atom not in ready]
            self.levels.append((name, candidates[name], ready))

    def run(self, depth: int = 0, values: dict[str, int] | None = None) -> Iterator[_Facts]:
        """The wanted facts of every binding that satisfies the rest."""
        values = {} if values is None else values
        if depth == len(self.levels):
            yield frozenset()
            return
        name, candidates, atoms = self.levels[depth]
        for values[name] in candidates:
            facts = self._facts(atoms, values)
            if facts is not None:
                for below in self.run(depth + 1, values):
                    yield facts | below

    def _facts(self, atoms: list[_Atom], values: Mapping[str, int]) -> _Facts | None:
        """The facts that atoms ask for; None if one of them can never hold."""
        facts: set[_Fact] = set()
        for atom in atoms:
            if atom[0] in WANTED:
                fact = self._fact(atom, values)
                if fact is None:
                    return None
                if not self._is_given(fact):
                    facts.add(fact)
            elif not self._holds(atom, values):
                return None
        return frozenset(facts)

    def _fact(self, atom: _Atom, values: Mapping[str, int]) -> _Fact | None:
        """The fact an atom asks for; None if no actions can bring it about."""
        game, predicate = self.game, atom[0]
        last = values[atom[-1]]
        if predicate == "atlocation":
            return predicate, -1, last
        if predicate == "holds":
            return (predicate, last, -1) if game.pickupable >> last & 1 else None
        if predicate != "inreceptacle":
            return predicate, last, -1
        obj = values[atom[1]]
        possible = game.pickupable & game.accepts[last] | sum(
            1 << inside for inside in game.initial.contents[last]
        )
        return (predicate, obj, last) if possible >> obj & 1 else None

    def _is_given(self, fact: _Fact) -> bool:
        """Whether a fact that can hold does so for ever: something fixed in its place."""
        return fact[0] == "inreceptacle" and not self.game.pickupable >> fact[1] & 1

    def _holds(self, atom: _Atom, values: Mapping[str, int]) -> bool:
        """Whether an atom holds that no action changes."""
        game, (predicate, first, *others) = self.game, atom
        number = values[first]
        if predicate in ("=", "!="):
            return (number == values[others[0]]) is (predicate == "=")
        if predicate == "objecttype":
            return game.object_types[number] == others[0]
        if predicate == "receptacletype":
            return game.receptacle_types[number] == others[0]
        if predicate == "receptacleatlocation":
            return game.receptacle_location[number] == values[others[0]]
        mask: int = getattr(game, predicate)
        return bool(mask >> number & 1)


def _check_kinds(variables: Mapping[str, str], atoms: list[_Atom]) -> None:
    """Raise `NotListable` unless each variable's use pins down that it is of its declared kind.

    (In PDDL an "object" may be anything, but only an object proper can be in a receptacle.)
    """
    used: dict[str, set[str]] = {name: set() for name in variables}
    for predicate, *arguments in atoms:
        kinds = WANTED.get(predicate) or _GIVEN.get(predicate) or ("same", "same")
        if len(kinds) != len(arguments):
            raise NotListable(f"{predicate} has {len(arguments)} arguments")
        for argument, kind in zip(arguments, kinds, strict=True):
            if (argument in variables) == (kind == "type"):
                raise NotListable(f"{argument} is used as an argument of {predicate}")
            if kind not in ("same", "type"):
                used[argument].add(kind)
    for name, kind in variables.items():
        if used[name] != {kind}:
            raise NotListable(f"{name} is declared as {kind} and used as {used[name]}")

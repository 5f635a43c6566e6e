"""Grounds a goal: lists every way to reach it, each as a set of facts that must hold at once.

This is for whoever plans towards a goal (`cotgap.envs.household.oracle`). Goals of the public data
are conjunctions of facts about variables that exist; one with anything else (`or`, `forall`, a fact
that must *not* hold, facts outside `WANTED`) raises `NotListable`.

The goal's own search finds the ways. It is asked not of a state but of what actions can bring
about: every binding of the variables that it then allows is a way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

from cotgap.envs.household.game import Game
from cotgap.envs.household.goal import Fact, Fluent, Junction, Negation, Node, Same, Search, Static

WANTED: Final = frozenset(
    {"atlocation", "holds", "inreceptacle", "isclean", "iscool", "ishot", "istoggled"}
)
"""The facts that actions change, of a listable goal."""
MAX_WAYS: Final = 5_000


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

    Raises `NotListable`, also where more than `MAX_WAYS` bindings of the goal's variables do.
    """
    goal = game.goal
    fluents = list(_fluents(goal.root))
    env = list(goal.env)
    found: list[Way | None] = []

    def note() -> bool:
        """Keep what the variables are bound to now; True to stop."""
        facts = [(f.predicate, env[f.slots[0]], env[f.slots[-1]]) for f in fluents]
        found.append(_way(game, facts))
        return len(found) > MAX_WAYS

    if _bind([goal.root], partial(_possible, game), env, note):
        raise NotListable(f"more than {MAX_WAYS} ways to reach the goal")
    return tuple(dict.fromkeys(way for way in found if way is not None))


def _fluents(node: Node) -> Iterator[Fluent]:
    """The facts that a conjunction wants; raises `NotListable` for any other condition."""
    match node:
        case Search(levels):
            for level in levels:
                for condition in level.conditions:
                    yield from _fluents(condition)
        case Junction(every=True, nodes=nodes):
            for part in nodes:
                yield from _fluents(part)
        case Fluent(predicate) if predicate in WANTED:
            yield node
        case Static() | Same() | Negation(part=Static() | Same()):
            pass
        case _:
            raise NotListable(f"the goal holds {node}")


def _bind(nodes: Sequence[Node], fact: Fact, env: list[int], each: Callable[[], bool]) -> bool:
    """As `Search.bind`, for all variables of these nodes."""
    if not nodes:
        return each()
    first, *others = nodes
    if isinstance(first, Junction):
        return _bind([*first.nodes, *others], fact, env, each)
    if isinstance(first, Search):
        return first.bind(fact, env, partial(_bind, others, fact, env, each))
    return first.holds(fact, env) and _bind(others, fact, env, each)


def _possible(game: Game, predicate: str, *symbols: int) -> bool:
    """Whether actions can bring about a fact of `WANTED`, or it holds for ever."""
    first, last = symbols[0], symbols[-1]
    if predicate == "atlocation":
        place = last - game.location_code(0)
        return first == game.agent_code and 0 <= place < len(game.location_names)
    if predicate == "holds":
        return first == game.agent_code and bool(game.pickupable >> last & 1)
    if predicate == "inreceptacle":
        r = last - game.receptacle_code(0)
        if not 0 <= r < len(game.receptacle_names):
            return False
        portable = game.pickupable & game.accepts[r]
        return bool(portable >> first & 1) or first in game.initial.contents[r]
    return first < len(game.object_names)


def _way(game: Game, facts: Iterable[tuple[str, int, int]]) -> Way | None:
    """The facts (predicate, first and last symbol) in order, or None if they contradict each other.

    What is fixed in its place need not be brought there.
    """
    of: dict[str, set[tuple[int, int]]] = {predicate: set() for predicate in WANTED}
    for predicate, first, last in facts:
        of[predicate].add((first, last))
    clean, hot, cool, toggled = (
        frozenset(obj for obj, _ in of[name])
        for name in ("isclean", "ishot", "iscool", "istoggled")
    )
    held = [obj for _, obj in of["holds"]]
    places = [place - game.location_code(0) for _, place in of["atlocation"]]
    if len(held) > 1 or len(places) > 1 or hot & cool:
        return None
    return Way(
        inside=frozenset(
            (obj, receptacle - game.receptacle_code(0))
            for obj, receptacle in of["inreceptacle"]
            if game.pickupable >> obj & 1
        ),
        clean=clean,
        hot=hot,
        cool=cool,
        toggled=toggled,
        held=held[0] if held else None,
        location=places[0] if places else None,
    )

"""Grounds a goal for planning: lists every way to reach it, as facts that must hold together.

Goals of the public data are conjunctions of facts about variables that exist. A goal with anything
else (`or`, `forall`, a fact that must *not* hold, facts outside `WANTED`) raises `NotListable`.

The ways are found by the goal's own search (`Search.bind`). Here it does not ask whether a fact
holds in a state but whether actions can bring it about. Every binding that it then finds is a way.
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
"""The facts that a listable goal may want, of those that actions change."""
MAX_WAYS: Final = 5_000


class NotListable(Exception):  # noqa: N818 - an answer, not an error
    """The goal cannot be listed as sets of wanted facts."""


class Way(NamedTuple):
    """Facts that together fulfil the goal; numbers as in `Game`."""

    inside: frozenset[tuple[int, int]]
    """(object, receptacle) pairs: the object must be in the receptacle."""
    clean: frozenset[int]
    """Objects that must be clean; `hot`, `cool` and `toggled` likewise."""
    hot: frozenset[int]
    cool: frozenset[int]
    toggled: frozenset[int]
    held: int | None
    """The object to hold at the end, or None where that does not matter."""
    location: int | None
    """The location to stand at in the end, or None where that does not matter."""


def list_ways(game: Game) -> tuple[Way, ...]:
    """Every way to reach the game's goal that actions may bring about.

    Raises `NotListable` for a goal of another form, or with more than `MAX_WAYS` bindings.
    """
    goal = game.goal
    fluents = list(_fluents(goal.root))
    env = list(goal.env)
    ways: list[Way | None] = []

    def note() -> bool:
        """Note the way of the current binding; returns True to stop the search."""
        facts = [(f.predicate, env[f.slots[0]], env[f.slots[-1]]) for f in fluents]
        ways.append(_way(game, facts))
        return len(ways) > MAX_WAYS

    if _bind([goal.root], partial(_possible, game), env, note):
        raise NotListable(f"more than {MAX_WAYS} ways to reach the goal")
    return tuple(dict.fromkeys(way for way in ways if way is not None))


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
    """`Search.bind` for all variables of several nodes."""
    if not nodes:
        return each()
    first, *others = nodes
    if isinstance(first, Junction):
        return _bind([*first.nodes, *others], fact, env, each)
    if isinstance(first, Search):
        return first.bind(fact, env, partial(_bind, others, fact, env, each))
    return first.holds(fact, env) and _bind(others, fact, env, each)


def _possible(game: Game, predicate: str, *symbols: int) -> bool:
    """Whether actions can bring about a fact of `WANTED`, or no action can end it."""
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
    """The way of some facts (predicate, first and last symbol); None if they contradict each other.

    An object that cannot be picked up is in its place already, so the way does not name it.
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

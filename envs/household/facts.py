"""The predicates that actions change, as functions of a state and of symbols (see `Game`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cotgap.envs.household.engine import World


def _in_receptacle(world: World, obj: int, receptacle: int) -> bool:
    r = receptacle - len(world.game.object_names)
    return 0 <= r < len(world.contents) and obj in world.contents[r]


def _lies_at(world: World, obj: int, location: int) -> bool:
    place = location - world.game.location_code(0)
    return 0 <= place < len(world.lying) and bool(world.lying[place] >> obj & 1)


def _is_opened(world: World, receptacle: int) -> bool:
    r = receptacle - len(world.game.object_names)
    return r >= 0 and bool(world.opened >> r & 1)


FACTS: Final[dict[str, Callable[..., bool]]] = {
    "inreceptacle": _in_receptacle,
    "objectatlocation": _lies_at,
    "opened": _is_opened,
    "atlocation": lambda w, a, place: (
        a == w.game.agent_code and place == w.game.location_code(w.location)
    ),
    "holds": lambda w, a, o: a == w.game.agent_code and o == w.held,
    "holdsany": lambda w, a: a == w.game.agent_code and w.held is not None,
    "isclean": lambda w, o: bool(w.clean >> o & 1),
    "ishot": lambda w, o: bool(w.hot >> o & 1),
    "iscool": lambda w, o: bool(w.cool >> o & 1),
    "ison": lambda w, o: bool(w.on >> o & 1),
    "issliced": lambda w, o: bool(w.sliced >> o & 1),
    "istoggled": lambda w, o: bool(w.toggled >> o & 1),
    "checked": lambda w, symbol: bool(w.checked >> symbol & 1),
}
"""Predicate → whether it holds in a world of these symbols."""

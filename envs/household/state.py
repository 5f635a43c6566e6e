"""The changing state of a household game, as a few immutable values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from cotgap.envs.household.game import Game

Snapshot: TypeAlias = tuple[Any, ...]
"""What `State.snapshot` returns: opaque, immutable, hashable, and valid for one `Game` only."""


class State:
    """Where all objects of a game are, and what was done to them. Numbers are those of `Game`."""

    __slots__ = (
        "checked",
        "clean",
        "contents",
        "cool",
        "game",
        "held",
        "hot",
        "last_valid",
        "location",
        "lying",
        "moves",
        "on",
        "opened",
        "sliced",
        "taken",
        "toggled",
        "won",
    )

    game: Game
    location: int
    """The number of the agent's location."""
    held: int | None
    """The held object."""
    contents: tuple[tuple[int, ...], ...]
    """Receptacle → the objects in it, ascending, whether it is open or not."""
    lying: tuple[int, ...]
    """Location → mask of the objects that lie there and can be sliced from there."""
    taken: tuple[int, ...]
    """Receptacle → mask of the objects that were taken from it and not put back."""
    opened: int
    """Mask of receptacles."""
    clean: int
    """Mask of objects, as are `hot`, `cool`, `sliced`, `toggled` (ever used) and `on`."""
    hot: int
    cool: int
    sliced: int
    toggled: int
    on: int
    checked: int
    """Mask of symbols, in the goal's numbers, that were looked at. Only goals use it."""
    moves: int
    """Valid commands so far."""
    won: bool
    """Whether the goal holds now."""
    last_valid: bool
    """Whether the last command was valid; True after a reset."""

    def __init__(self, game: Game) -> None:
        self.game = game
        self.start_over()

    def start_over(self) -> None:
        """Return to the state of the game's start."""
        start = self.game.initial
        self.location, self.held = start.location, None
        self.contents, self.lying = start.contents, start.lying
        self.taken = (0,) * len(start.contents)
        self.opened = start.opened
        self.clean, self.hot, self.cool = start.clean, start.hot, start.cool
        self.sliced, self.toggled, self.on = start.sliced, start.toggled, start.on
        self.checked = self.moves = 0
        self.last_valid = True
        self.won = self.game.goal.holds(self.fact)

    def fact(self, predicate: str, *symbols: int) -> bool:
        """Whether one of the goal's `FLUENTS` holds of symbols, in the goal's numbers."""
        return _FACTS[predicate](self, *symbols)

    def snapshot(self) -> Snapshot:
        """The whole state, to be handed to `restore`. Takes constant time."""
        return (
            self.location,
            self.held,
            self.contents,
            self.lying,
            self.taken,
            self.opened,
            self.clean,
            self.hot,
            self.cool,
            self.sliced,
            self.toggled,
            self.on,
            self.checked,
            self.moves,
            self.won,
            self.last_valid,
        )

    def restore(self, state: Snapshot) -> None:
        """Go back to a state of the same game. Takes constant time."""
        (
            self.location,
            self.held,
            self.contents,
            self.lying,
            self.taken,
            self.opened,
            self.clean,
            self.hot,
            self.cool,
            self.sliced,
            self.toggled,
            self.on,
            self.checked,
            self.moves,
            self.won,
            self.last_valid,
        ) = state

    def visible(self, receptacle: int) -> bool:
        """Whether the contents of a receptacle can be seen and reached by an agent at it."""
        return not self.game.openable >> receptacle & 1 or bool(self.opened >> receptacle & 1)

    def trait(self, name: str, obj: int) -> bool:
        """Whether an object is "clean", "hot", "cool", "sliced", "toggled", "toggleable", …"""
        mask: int = getattr(self if name in State.__slots__ else self.game, name)
        return bool(mask >> obj & 1)


def _in_receptacle(state: State, obj: int, receptacle: int) -> bool:
    r = receptacle - len(state.game.object_names)
    return 0 <= r < len(state.contents) and obj in state.contents[r]


def _lies_at(state: State, obj: int, location: int) -> bool:
    place = location - state.game.location_code(0)
    return 0 <= place < len(state.lying) and bool(state.lying[place] >> obj & 1)


def _is_opened(state: State, receptacle: int) -> bool:
    r = receptacle - len(state.game.object_names)
    return r >= 0 and bool(state.opened >> r & 1)


_FACTS: Final[dict[str, Callable[..., bool]]] = {
    "inreceptacle": _in_receptacle,
    "objectatlocation": _lies_at,
    "opened": _is_opened,
    "atlocation": lambda s, a, place: (
        a == s.game.agent_code and place == s.game.location_code(s.location)
    ),
    "holds": lambda s, a, o: a == s.game.agent_code and o == s.held,
    "holdsany": lambda s, a: a == s.game.agent_code and s.held is not None,
    "isclean": lambda s, o: bool(s.clean >> o & 1),
    "ishot": lambda s, o: bool(s.hot >> o & 1),
    "iscool": lambda s, o: bool(s.cool >> o & 1),
    "ison": lambda s, o: bool(s.on >> o & 1),
    "issliced": lambda s, o: bool(s.sliced >> o & 1),
    "istoggled": lambda s, o: bool(s.toggled >> o & 1),
    "checked": lambda s, symbol: bool(s.checked >> symbol & 1),
}
"""Predicate → whether it holds in a state, of symbols in the goal's numbers."""

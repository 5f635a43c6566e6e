"""Plays household games exactly as the stock engine (TextWorld with Fast Downward) does.

A `World` is a `Game` and its changing state. The state is a few immutable values, so a snapshot
takes constant time. `python -m tools.household.parity` compares a `World` with the stock engine.

The rules are what one would guess, with these exceptions:

- Commands are stripped and then matched exactly. Anything else is an invalid command: "Nothing
  happens.", and it does not count as a move.
- The agent goes to receptacles but stands at locations, and several receptacles may share a
  location. All of them can be used from there; going to any of them again is invalid.
- An object can be in two receptacles at once. Taking it removes it from one only, so it can be held
  and still be in a receptacle, and a game can be won that way.
- An object that was taken no longer lies at the agent's location, so it cannot be sliced there. It
  may still lie at another location.
- `look` mentions an object only if it was taken from a receptacle here and lies here, because it
  was put back into another receptacle of the location.
- Only the held object can be examined. Heating, cooling, cleaning and using need neither an open
  appliance nor a change: they can be repeated. Heating ends cool and cooling ends hot.
- A game that is won can go on, and then it may no longer be won.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from cotgap.envs.household.actions import Action, list_actions
from cotgap.envs.household.game import Game, members
from cotgap.envs.household.state import Snapshot, State


class World(State):
    """A game being played. All attributes but `game` change; only the methods may set them."""

    __slots__ = ("_actions", "gotos")

    gotos: list[tuple[str, Action, int]]
    """(command that goes to a receptacle, its meaning, the receptacle's location)."""

    def __init__(self, game: Game) -> None:
        super().__init__(game)
        goto = game.wording.goto
        self.gotos = [
            (goto.format(r=name), Action("goto", None, r), place)
            for r, (name, place) in enumerate(
                zip(game.receptacle_names, game.receptacle_location, strict=True)
            )
            if place >= 0
        ]
        self._actions: dict[str, Action] | None = None

    def reset(self) -> str:
        """Start over. Returns the text that the game opens with, task sentence included."""
        self.start_over()
        self._actions = None
        return self.game.intro

    def step(self, command: str) -> str:
        """Do one command (any text); returns the feedback and never raises."""
        action = self.actions().get(command.strip())
        self.last_valid = action is not None
        if action is None:
            return self.game.wording.invalid_reply
        self.moves += 1
        self._actions = None
        reply = _DO[action.verb](self, action)
        self.won = self.game.goal.holds(self.fact)
        return reply

    def admissible(self) -> list[str]:
        """All valid commands, sorted: a fresh list at each call."""
        return sorted(self.actions())

    @property
    def score(self) -> int:
        """1 if `won`, else 0."""
        return int(self.won)

    def restore(self, state: Snapshot) -> None:
        """Go back to a state of the same game. Takes constant time."""
        super().restore(state)
        self._actions = None

    def actions(self) -> dict[str, Action]:
        """Every valid command with its meaning. It is made once per state; do not change it."""
        if self._actions is None:
            self._actions = list_actions(self, self.gotos)
        return self._actions

    # Each verb changes the state and returns the feedback.

    def _look(self, action: Action) -> str:
        game, words, here = self.game, self.game.wording, self.location
        self.checked |= 1 << game.location_code(here)
        receptacles = game.receptacles_at[here]
        if not receptacles:
            return words.middle_reply.format(things=words.nothing)
        seen = [
            game.object_names[o]
            for o in members(self.lying[here])
            for r in receptacles
            if self.taken[r] >> o & 1
        ]
        return words.facing_reply.format(
            receptacles=words.enumerate([game.receptacle_names[r] for r in receptacles]),
            things=words.items(seen),
        )

    def _inventory(self, action: Action) -> str:
        game, words = self.game, self.game.wording
        self.checked |= 1 << game.agent_code
        if self.held is None:
            return words.empty_handed_reply
        return words.carrying_reply.format(things=words.items([game.object_names[self.held]]))

    def _help(self, action: Action) -> str:
        self.checked |= 1 << self.game.agent_code
        return self.game.wording.help_reply

    def _goto(self, action: Action) -> str:
        game, r = self.game, _given(action.receptacle)
        self.location = game.receptacle_location[r]
        return game.wording.goto_reply.format(
            r=game.receptacle_names[r],
            l=game.location_names[self.location],
            seen=self._describe(r),
        )

    def _open(self, action: Action) -> str:
        game, r = self.game, _given(action.receptacle)
        self.opened |= 1 << r
        self.checked |= 1 << game.receptacle_code(r)
        return game.wording.open_reply.format(r=game.receptacle_names[r], seen=self._describe(r))

    def _close(self, action: Action) -> str:
        r = _given(action.receptacle)
        self.opened &= ~(1 << r)
        return self.game.wording.close_reply.format(r=self.game.receptacle_names[r])

    def _take(self, action: Action) -> str:
        o, r, here = _given(action.object), _given(action.receptacle), self.location
        self.held = o
        inside = tuple([other for other in self.contents[r] if other != o])
        self.contents = _with(self.contents, r, inside)
        self.taken = _with(self.taken, r, self.taken[r] | 1 << o)
        self.lying = _with(self.lying, here, self.lying[here] & ~(1 << o))
        return self._say(self.game.wording.take_reply, o, r)

    def _put(self, action: Action) -> str:
        o, r, here = _given(action.object), _given(action.receptacle), self.location
        self.held = None
        inside = tuple(sorted({*self.contents[r], o}))
        self.contents = _with(self.contents, r, inside)
        self.taken = _with(self.taken, r, self.taken[r] & ~(1 << o))
        self.lying = _with(self.lying, here, self.lying[here] | 1 << o)
        return self._say(self.game.wording.put_reply, o, r)

    def _examine(self, action: Action) -> str:
        game, words, o = self.game, self.game.wording, action.object
        if o is None:
            r = _given(action.receptacle)
            self.checked |= 1 << game.receptacle_code(r)
            return self._describe(r)
        self.checked |= 1 << o
        name = game.object_names[o]
        if o in game.holder_contents:
            inside = [game.object_names[other] for other in game.holder_contents[o]]
            return words.holder_reply.format(o=name, things=words.items(inside))
        for traits, sentence in words.examined:
            if all(self.trait(trait, o) for trait in traits):
                return sentence.format(o=name)
        raise AssertionError("a wording's last sentence about an object has no condition")

    def _use(self, action: Action) -> str:
        o = _given(action.object)
        self.toggled |= 1 << o
        self.on ^= 1 << o
        return self.game.wording.use_reply.format(o=self.game.object_names[o])

    def _heat(self, action: Action) -> str:
        o, r = _given(action.object), _given(action.receptacle)
        self.hot |= 1 << o
        self.cool &= ~(1 << o)
        return self._say(self.game.wording.heat_reply, o, r)

    def _cool(self, action: Action) -> str:
        o, r = _given(action.object), _given(action.receptacle)
        self.cool |= 1 << o
        self.hot &= ~(1 << o)
        return self._say(self.game.wording.cool_reply, o, r)

    def _clean(self, action: Action) -> str:
        o, r = _given(action.object), _given(action.receptacle)
        self.clean |= 1 << o
        return self._say(self.game.wording.clean_reply, o, r)

    def _slice(self, action: Action) -> str:
        game, o = self.game, _given(action.object)
        self.sliced |= 1 << o
        return game.wording.slice_reply.format(
            o=game.object_names[o], k=game.object_names[_given(self.held)]
        )

    def _describe(self, r: int) -> str:
        """What is seen of a receptacle by an agent at it."""
        game, words, name = self.game, self.game.wording, self.game.receptacle_names[r]
        form = words.on_top
        if game.openable >> r & 1:
            if not self.opened >> r & 1:
                return words.is_closed.format(r=name)
            form = words.is_open
        names = game.object_names
        return form.format(r=name, things=words.items([names[o] for o in self.contents[r]]))

    def _say(self, form: str, o: int, r: int) -> str:
        return form.format(o=self.game.object_names[o], r=self.game.receptacle_names[r])


_DO: Final[dict[str, Callable[[World, Action], str]]] = {
    "look": World._look,
    "inventory": World._inventory,
    "help": World._help,
    "goto": World._goto,
    "open": World._open,
    "close": World._close,
    "take": World._take,
    "put": World._put,
    "examine": World._examine,
    "use": World._use,
    "heat": World._heat,
    "cool": World._cool,
    "clean": World._clean,
    "slice": World._slice,
}


def _given(number: int | None) -> int:
    assert number is not None  # the verb has this argument, by `list_actions`
    return number


def _with(values: tuple[Any, ...], index: int, value: Any) -> tuple[Any, ...]:
    return (*values[:index], value, *values[index + 1 :])

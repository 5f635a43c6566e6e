"""Lists the valid commands of a state, with their meaning."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from cotgap.envs.household.game import members
from cotgap.envs.household.state import State


class Action(NamedTuple):
    """A valid command's meaning: `verb` is one of `cotgap.envs.household.wording.COMMANDS`."""

    verb: str
    object: int | None = None
    receptacle: int | None = None


def list_actions(state: State, gotos: Iterable[tuple[str, Action, int]]) -> dict[str, Action]:
    """Every valid command of a state, with its meaning.

    `gotos` are (command that goes to a receptacle, its meaning, the receptacle's location).
    """
    game, words, here, held = state.game, state.game.wording, state.location, state.held
    actions = {command: action for command, action, place in gotos if place != here}
    actions[words.look] = Action("look")
    actions[words.inventory] = Action("inventory")
    if words.help is not None:
        actions[words.help] = Action("help")
    for r in game.receptacles_at[here]:
        _list_receptacle(state, r, actions)
    if held is not None:
        name = game.object_names[held]
        actions[words.examine.format(x=name)] = Action("examine", held)
        if game.knives >> held & 1:
            for o in members(state.lying[here] & game.sliceable):
                command = words.slice.format(o=game.object_names[o], k=name)
                actions[command] = Action("slice", o)
    return actions


def _list_receptacle(state: State, r: int, actions: dict[str, Action]) -> None:
    game, words, held = state.game, state.game.wording, state.held
    name = game.receptacle_names[r]
    actions[words.examine.format(x=name)] = Action("examine", None, r)
    visible = True
    if game.openable >> r & 1:
        visible = bool(state.opened >> r & 1)
        verb, form = ("close", words.close) if visible else ("open", words.open)
        actions[form.format(r=name)] = Action(verb, None, r)
    names, contents = game.object_names, state.contents[r]
    if held is not None:
        held_name = names[held]
        if visible and game.accepts[r] >> held & 1:
            actions[words.put.format(o=held_name, r=name)] = Action("put", held, r)
        if game.can_heat >> r & game.heatable >> held & 1:
            actions[words.heat.format(o=held_name, r=name)] = Action("heat", held, r)
        if game.can_cool >> r & game.coolable >> held & 1:
            actions[words.cool.format(o=held_name, r=name)] = Action("cool", held, r)
        if game.can_clean >> r & game.cleanable >> held & 1:
            actions[words.clean.format(o=held_name, r=name)] = Action("clean", held, r)
    elif visible:
        for o in contents:
            if game.pickupable >> o & 1:
                actions[words.take.format(o=names[o], r=name)] = Action("take", o, r)
    for o in contents:
        if game.toggleable >> o & 1:
            actions[words.use.format(o=names[o])] = Action("use", o)

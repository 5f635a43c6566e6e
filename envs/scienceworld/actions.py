"""ScienceWorld's commands: what an agent is told of them, their normal form, reasons for them."""

from __future__ import annotations

import re
from typing import NamedTuple


class Command(NamedTuple):
    """A command: its form, its verb first among the verb's synonyms, and what it does.

    `links` are the words that may stand between its two objects, the normal one first. `reason`
    argues for it; `{x}` is its objects.
    """

    form: str
    verbs: tuple[str, ...]
    does: str
    reason: str
    links: tuple[str, ...] = ()


TELEPORT = "teleport to"
# The verbs and links that the simulator's parser knows (as of 1.2.3), by its own names.
COMMANDS = (
    Command("look around", ("look around", "look"), "describe the room",
            "I need to see what is here"),
    Command("look at OBJ", ("look at", "look on", "examine"), "describe an object",
            "I need to know more about {x}"),
    Command("look in OBJ", ("look in",), "describe what a container holds",
            "what I need may be in {x}"),
    Command("read OBJ", ("read",), "read a note or a book", "{x} may tell me what to do"),
    Command("inventory", ("inventory",), "list what you carry", "I need to know what I carry"),
    Command("task", ("task",), "repeat the task", "I need to be sure what the task is"),
    Command("open OBJ", ("open",), "open a door or a container", "{x} must be open first"),
    Command("close OBJ", ("close",), "close a door or a container", "{x} should be closed"),
    Command("go LOC", ("go to", "go", "go through", "go into", "walk through", "walk to",
                       "move through", "move to", "move into"),
            "move to a location next to this one", "what I need next is in that direction"),
    Command("teleport to LOC", ("teleport to", "teleport into", "teleport"),
            "move to any location", "what I need next is there, and teleporting is fastest"),
    Command("pick up OBJ", ("pick up", "get", "take"), "put an object into the inventory",
            "I will need {x}"),
    Command("put down OBJ", ("put down", "drop"), "drop an object from the inventory",
            "I do not have to carry {x} now"),
    Command("move OBJ to OBJ", ("move", "put"), "put an object into or onto another one",
            "that is where it is needed", ("to", "in", "into", "on")),
    Command("pour OBJ into OBJ", ("pour",), "pour a liquid into a container",
            "that is where it is needed", ("into", "in", "on", "to")),
    Command("dunk OBJ into OBJ", ("dunk",), "dunk a container into a liquid",
            "that fills it", ("into", "in")),
    Command("mix OBJ", ("mix", "stir"), "mix what a container holds",
            "what {x} holds has to react"),
    Command("activate OBJ", ("activate", "turn on"), "turn on a device", "{x} has to run"),
    Command("deactivate OBJ", ("deactivate", "turn off"), "turn off a device",
            "{x} need not run any longer"),
    Command("use OBJ on OBJ", ("use",), "use a device or tool, on something",
            "it is the tool for this", ("on", "with")),
    Command("connect OBJ to OBJ", ("connect",), "connect two terminals (in electrical tasks)",
            "the circuit has to be closed", ("to", "in", "into")),
    Command("disconnect OBJ", ("disconnect",), "undo the connections of an object",
            "{x} should not be part of the circuit"),
    Command("flush OBJ", ("flush",), "flush a toilet", "that carries away what is in it"),
    Command("eat OBJ", ("eat", "consume"), "eat a food", "nothing else is to be done with {x}"),
    Command("focus on OBJ", ("focus on", "focus"),
            "say that this object is the one the task asks for",
            "the task asks me to point out what it is about, and that is {x}"),
    Command("wait", ("wait",), "let ten time steps pass", "this takes time"),
    Command("wait1", ("wait1",), "let one time step pass", "this takes a moment"),
)  # fmt: skip
# Left out of what agents are told: it sets the score back to 0 and nothing else.
HIDDEN = Command("reset task", ("reset task",), "", "I want to begin the task's steps anew")

INSTRUCTIONS = """\
You act in a simulated house with its surroundings to carry out a task in elementary science. You \
are told your task; each turn, give exactly one command, and you are told what happens.
Commands (OBJ is an object, LOC a location):
{commands}
If a command could mean several things, you are asked which; answer with the number alone.
Focus only on what the task names: focusing on a wrong object ends the task as failed."""

_ARTICLES = frozenset({"a", "an", "the"})
_VERBS = sorted(
    ((verb.split(), command) for command in (*COMMANDS, HIDDEN) for verb in command.verbs),
    key=lambda pair: -len(pair[0]),
)


def instructions(*, teleport: bool) -> str:
    """What an agent is told of the task format; with `teleport`, that it can teleport."""
    lines = [
        f"{command.form} - {command.does}"
        for command in COMMANDS
        if teleport or TELEPORT not in command.verbs
    ]
    return INSTRUCTIONS.format(commands="\n".join(lines))


def canonical(action: str) -> str:
    """A normal form: lower case, single spaces, no articles, and the same word for all synonyms.

    Two actions that the simulator could tell apart have different forms. Actions with different
    forms may still do the same, because an object has several names.
    """
    words = [word for word in action.lower().split() if word not in _ARTICLES]
    command, rest = _parse(words)
    if command is None:
        return " ".join(words)
    rest = [command.links[0] if word in command.links else word for word in rest]
    return " ".join([command.verbs[0], *rest])


def _parse(words: list[str]) -> tuple[Command | None, list[str]]:
    """The command that begins with these words, and the words after its verb."""
    for verb, command in _VERBS:
        if words[: len(verb)] == verb:
            rest = words[len(verb) :]
            if _fits(command, rest):
                return command, rest
    return None, words


def _fits(command: Command, rest: list[str]) -> bool:
    """Whether the words after the verb can be its objects (the parser looks them up)."""
    if bool(rest) != ("OBJ" in command.form or "LOC" in command.form):
        return False
    return not command.links or any(link in rest[1:-1] for link in command.links)


def rationale(goal: str, observation: str, action: str) -> str:
    """Sentences in the first person that argue for an action by what its command is good for."""
    words = canonical(action).split()
    command, rest = _parse(words)
    task = _first_sentence(goal).removeprefix("Your task is to ")
    context = f"I have to {task} I just read: {_first_sentence(observation)}"
    if command is None:
        return _plain(f"{context} The next thing to try is: {' '.join(words) or 'wait'}.")
    reason = command.reason.format(x="the " + " ".join(rest))
    return _plain(f"{context} Since {reason}, I {' '.join(words)}.")


def _first_sentence(text: str) -> str:
    """Up to the first full stop or line end, closed with a full stop."""
    first = re.split(r"(?<=[.!?])\s|\n", text.strip(), maxsplit=1)[0].strip(" :,")
    return first if first.endswith((".", "!", "?")) else f"{first}."


def _plain(text: str) -> str:
    """The text on one line, without the character that would open a tag."""
    return " ".join(text.replace("<", "").split())

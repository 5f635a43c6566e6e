"""Puts reasons for a command into words, as a player would think them.

`rationale` argues for any command. For the expert's own it says what the expert wants and knows;
for another it argues as well as it can without contradicting what was seen. The words vary from
state to state, but they are the same for the same state and command.
"""

from __future__ import annotations

import zlib
from typing import Final

from cotgap.envs.household.belief import Belief, Command, Task, parse_command, spell
from cotgap.envs.household.expert import Choice, choose, settled
from cotgap.envs.household.habits import class_of, habits

_LONGEST: Final = 80  # characters of a command that is worth quoting
_INSIDE: Final = ("bathtubbasin", "cart", "garbagecan", "laundryhamper", "sink", "sinkbasin")
_STATES: Final = {"clean": "clean", "heat": "hot", "cool": "cool"}

# Placeholders: {goal} "put a hot mug on a desk", {a} "a mug", {thing} "mug 1", {place} "desk 1",
# {in} "in" or "on", {state} "hot", {lacking} "There is no mug on the desk 1. " or nothing.
_OWN: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("search", "goto"): (
        "{lacking}I need {a} to {goal} and have not seen what is {in} the {place} yet, so I go "
        "there.",
        "{lacking}To {goal}, I must find {a} first, and the {place} is a good place to look.",
        "{lacking}I still have to find {a} to {goal}, so I go and see what is {in} the {place}.",
    ),
    ("search", "open"): (
        "I need {a} to {goal}, and one may be inside the {place}. So I open it.",
        "I cannot see what is in the {place}. I open it to look for {a}, since I want to {goal}.",
    ),
    ("search", "examine"): (
        "The {place} is within reach and I do not know what is {in} it. I look there for {a}, to "
        "{goal}.",
    ),
    ("fetch", "goto"): (
        "I want to {goal}, and I know that {thing} is {in} the {place}. So I go there to get it.",
        "I need {a} to {goal}. I remember {thing} {in} the {place}, so I go there.",
    ),
    ("fetch", "open"): (
        "I want to {goal}, and {thing} is in the {place}, which is closed. So I open it.",
        "What I need to {goal} is {thing}, inside the closed {place}. I open the {place} first.",
    ),
    ("fetch", "take"): (
        "Here is {thing}, {in} the {place}, and I need {a} to {goal}. So I take it.",
        "I need {a} to {goal}. There is {thing} {in} the {place}, so I pick it up.",
    ),
    ("treat", "goto"): (
        "I hold {thing}, and to {goal} I have to make it {state} first. So I go to the {place}.",
        "I have {thing}, but my task is to {goal}. The {place} can make it {state}, so I go there.",
    ),
    ("treat", ""): (
        "I hold {thing} and am at the {place}. It must be {state} before I can {goal}, so I do "
        "that now.",
        "To {goal}, I have to make {thing} {state}, and the {place} is right here.",
    ),
    ("deliver", "goto"): (
        "I have {thing} ready, and all that is left to {goal} is to bring it to the {place}. So I "
        "go there.",
        "I want to {goal}, and {thing} is in my hands as it should be. Next stop: the {place}.",
    ),
    ("deliver", "open"): (
        "I want to {goal}, but the {place} is closed. I open it so that {thing} can go in.",
        "The {place} must be open before {thing} can go in, and I want to {goal}. So I open it.",
    ),
    ("deliver", "put"): (
        "I hold {thing} and am at the {place}, so I put it there to {goal}.",
        "To {goal}, {thing} belongs {in} the {place}, and I am right there. I put it down.",
    ),
    ("light", "goto"): (
        "I hold {thing} and want to {goal}. I saw a lamp {in} the {place}, so I go there.",
        "With {thing} in hand, all I need to {goal} is the lamp {in} the {place}. So I go there.",
    ),
    ("light", "use"): (
        "I hold {thing} and the lamp is right here {in} the {place}. I switch it on to {goal}.",
        "The lamp {in} the {place} is in reach, and with {thing} in hand I only have to turn it on "
        "to {goal}.",
    ),
    ("clear", "goto"): (
        "I hold {thing}, which does not help me to {goal}. I go to the {place} to put it down.",
    ),
    ("clear", "open"): (
        "I want my hands free to {goal}, and {thing} can go into the {place}. So I open it.",
    ),
    ("clear", "put"): (
        "I do not need {thing} to {goal}, and it keeps my hands full. I put it down at the "
        "{place}.",
        "My hands must be free to {goal}, so I leave {thing} at the {place}.",
    ),
    ("wait", "look"): (
        "I want to {goal}, but I see no way forward from what I know. I look around for a hint.",
    ),
}

_ANY: Final[dict[str, tuple[str, ...]]] = {
    "goto": (
        "I want to {goal}. The {place} may be of use for that, so I go there.",
        "Perhaps the {place} gets me further with my task to {goal}. I go and see.",
    ),
    "goto new": (
        "I need {a} to {goal}, and for all I know there is one {in} the {place}. So I go there.",
        "Before I can {goal}, I have to find {a}. I have not seen what is {in} the {place} yet, so "
        "I go and look.",
    ),
    "goto known": (
        "I want to {goal}. It is worth going back to the {place}, as I may make use of it.",
        "I know the {place} already, and it could still help me to {goal}. I return to it.",
    ),
    "goto wanted": (
        "I want to {goal}, and I know that there is {a} {in} the {place}. So I go there.",
    ),
    "goto target": (
        "My task is to {goal}, and the {place} would be right for that. I go there.",
    ),
    "open": (
        "What I need to {goal} may be in the {place}. I open it.",
        "I want to {goal} and cannot see what is in the {place}, so I open it.",
    ),
    "open known": ("I want to {goal}, and an open {place} could be of use. I open it.",),
    "close": (
        "I am done with the {place} and can go on better with my task to {goal} in a tidy room. "
        "I close it.",
    ),
    "take": (
        "I think that {thing} could help me to {goal}, so I take it from the {place}.",
        "It may pay off to have {thing} at hand when I {goal}. I take it from the {place}.",
    ),
    "take wanted": (
        "I need {a} to {goal}, and {thing} is one. So I take it from the {place}.",
    ),
    "put": (
        "The {place} seems a good spot for {thing} while I try to {goal}. I put it there.",
        "I want my hands free to {goal}, so {thing} goes to the {place}.",
    ),
    "put target": ("My task is to {goal}, and that means {thing} goes to the {place}.",),
    "treat": (
        "I want to {goal}, and {state} may be just what {thing} should be for that. I try the "
        "{place}.",
    ),
    "treat wanted": ("To {goal}, I need {thing} to be {state}, so I try that with the {place}.",),
    "use": (
        "I want to {goal}, and switching {thing} on or off may get me further.",
    ),
    "examine": (
        "A closer look at {thing} may tell me how to {goal}.",
        "I want to know more about {thing} before I go on with my task to {goal}.",
    ),
    "look": (
        "I want to {goal}. Before I go on, I look around to be sure of where I am.",
    ),
    "inventory": ("I want to {goal}. Let me check what I carry before I go on.",),
    "help": ("I want to {goal}. Let me check which commands there are before I go on.",),
    "slice": ("I want to {goal}, and {thing} may be more useful in slices.",),
    "other": ("I want to {goal}, and I have an idea that is worth a try: {action}.",),
    "odd": ("I want to {goal}, and the usual commands are not all that I can try.",),
    "none": ("I want to {goal}, but for the moment I would rather wait.",),
}  # fmt: skip


def rationale(belief: Belief, action: str) -> str:
    """One or two sentences in the first person that argue for `action` (any text)."""
    choice = choose(belief)
    plain = " ".join(action.split())
    if action.strip() == spell(belief.wording, choice.command).strip():
        templates = _own(choice)
    else:
        command = parse_command(belief.wording, action) or Command("other")
        templates = _ANY[_case(belief, command, plain)]
        choice = Choice(command, "wait", command.thing, command.place)
    state = f"{plain}|{belief.at}|{belief.holding}|{len(belief.looked)}|{belief.sentence}"
    template = templates[zlib.crc32(state.encode()) % len(templates)]
    text = template.format_map(_words(belief, choice, plain))
    return text.replace("<", "").replace(">", "")  # nothing that could be taken for a tag


def _own(choice: Choice) -> tuple[str, ...]:
    verb = choice.command.verb
    return _OWN[choice.aim, "" if verb in _STATES else verb]


def _case(belief: Belief, command: Command, plain: str) -> str:
    """Which of the arguments in `_ANY` fits a command; `plain` is the action's text."""
    if not plain:
        return "none"
    if len(plain) > _LONGEST or "<" in plain or ">" in plain:
        return "odd"
    verb, thing, place = command
    task = belief.task
    wanted = task is not None and class_of(thing) == task.thing
    target = task is not None and class_of(place) == task.place
    if verb == "goto":
        if belief.holding is None and _has_wanted(belief, place):
            return "goto wanted"
        if target:
            return "goto target"
        if place in belief.looked:
            return "goto known"
        searching = belief.holding is None and choose(belief).aim == "search"
        return "goto new" if searching else "goto"
    if verb == "open" and place in belief.looked:
        return "open known"
    if verb == "take" and wanted:
        return "take wanted"
    if verb == "put" and wanted and target:
        return "put target"
    if verb in _STATES:
        return "treat wanted" if wanted and task is not None and task.kind == verb else "treat"
    return verb


def _has_wanted(belief: Belief, place: str) -> bool:
    things = belief.contents.get(place, ())
    return belief.task is not None and belief.task.thing in map(class_of, things)


def _words(belief: Belief, choice: Choice, action: str) -> dict[str, str]:
    """Placeholder → its text."""
    task, place = belief.task, choice.place
    verb = choice.command.verb
    searched = choice.thing if choice.aim == "search" else task.thing if task else "thing"
    another = task is not None and task.kind == "two" and bool(settled(belief, task))
    state = _STATES.get(verb) or (_STATES.get(task.kind) if task else None) or "ready"
    return {
        "goal": _goal(task, belief.sentence),
        "a": f"another {searched}" if another else _a(searched),
        "thing": f"the {choice.thing.strip()}",
        "place": place.strip() or "spot",
        "in": _preposition(place),
        "state": state,
        "lacking": _lacking(belief, searched),
        "action": action,
    }


def _goal(task: Task | None, sentence: str) -> str:
    if task is None:
        return sentence or "get on with my task"
    kind, thing, place = task
    if kind == "look":
        return f"look at {_a(thing)} under the {place}"
    if kind == "two":
        return f"put two {_plural(thing)} {_preposition(place)} one {place}"
    adjective = f"{_STATES[kind]} " if kind in _STATES else ""
    return f"put {_a(adjective + thing)} {_preposition(place)} {_a(place)}"


def _lacking(belief: Belief, name: str) -> str:
    """A sentence that the wanted object is not here, if that was just seen; else nothing."""
    at = belief.at
    if at not in belief.looked or name in map(class_of, belief.contents.get(at or "", ())):
        return ""
    return f"There is no {name} {_preposition(at or '')} the {at}. "


def _preposition(place: str) -> str:
    name = class_of(place)
    inside = name in _INSIDE or habits().openable.get(name, 0.0) > 0
    return "in" if inside else "on"


def _a(name: str) -> str:
    return f"{'an' if name[:1] in 'aeiou' else 'a'} {name}"


def _plural(name: str) -> str:
    if name.endswith("fe"):
        return f"{name[:-2]}ves"
    if name.endswith("f"):
        return f"{name[:-1]}ves"
    if name.endswith(("s", "x", "ch", "sh", "o")):
        return f"{name}es"
    return f"{name}s"

"""What an agent can know of a household game: the task, and what it has been told so far.

A `Belief` is immutable. `first_belief` reads the text that a game opens with, `updated` adds one
command and its feedback. Both read the game's own `Wording`, so they work in every revision.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Final, Literal, NamedTuple, TypeAlias, cast

from cotgap.envs.household.habits import class_of
from cotgap.envs.household.wording import COMMANDS, CURRENT, Sentences, Wording

Kind: TypeAlias = Literal["place", "two", "clean", "heat", "cool", "look"]

_SENTENCES: Final = (
    r"(?:put|find) (?P<two>two) (?P<thing>\S+)(?: and put them)? (?:in|on) (?P<place>\S+)",
    r"put (?:an?|some) (?:(?P<state>hot|cool|clean) )?(?P<thing>\S+) (?:in|on) (?P<place>\S+)",
    r"(?P<state>heat|cool|clean) (?:an?|some) (?P<thing>\S+) and put it (?:in|on) (?P<place>\S+)",
    r"(?P<look>look at|examine) (?:the )?(?P<thing>\S+) (?:under|with) the (?P<place>\S+)",
)


class Task(NamedTuple):
    """A task sentence, understood."""

    kind: Kind
    """What is to be done before a thing is put somewhere, if anything; "two" of them; "look"."""
    thing: str
    """The class of the object or objects that it is about ("mug")."""
    place: str
    """The class of the receptacle to put it in or on; for "look", of the lamp."""


class Command(NamedTuple):
    """A command taken apart: its verb is one of `cotgap.envs.household.wording.COMMANDS`."""

    verb: str
    thing: str = ""
    """The object's name, or whatever is examined."""
    place: str = ""
    """The receptacle's name, or the knife's."""


@dataclass(frozen=True, slots=True)
class Belief:
    """What has been seen and done, as far as it matters. Names are as the game writes them."""

    wording: Wording
    sentence: str = ""
    """The task sentence, without its full stop."""
    task: Task | None = None
    """None for a sentence of no known form."""
    receptacles: tuple[str, ...] = ()
    """Those that the first text lists, in its order."""
    at: str | None = None
    """The receptacle last gone to."""
    site: str | None = None
    """The place of `at`. All receptacles of a site are in reach from there."""
    sites: Mapping[str, str] = field(default_factory=dict)
    """Receptacle → its site, where known."""
    contents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Receptacle → what is known to be in it."""
    looked: frozenset[str] = frozenset()
    """The receptacles of which all contents are known."""
    closed: Mapping[str, bool] = field(default_factory=dict)
    """Receptacle → whether it is closed, where known. False for what cannot be closed, too."""
    holding: str | None = None
    source: str | None = None
    """The receptacle from which the held object, or the last one held, was taken."""
    treated: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Object → those of the verbs clean, heat and cool that were done to it and still count."""
    used: frozenset[str] = frozenset()
    """The objects that were used."""
    failed: frozenset[Command] = frozenset()
    """Commands that had no effect although nothing known was in their way: they never will."""

    def is_here(self, receptacle: str) -> bool:
        """Whether a receptacle is known to be in reach."""
        return self.site is not None and self.sites.get(receptacle) == self.site

    def of_class(self, name: str) -> list[str]:
        """The receptacles of a class, in the order of the first text."""
        return [receptacle for receptacle in self.receptacles if class_of(receptacle) == name]

    def places_of(self, thing: str) -> list[str]:
        """The receptacles in which an object of that name is known to be."""
        return [place for place, things in self.contents.items() if thing in things]

    def seen_of(self, name: str) -> list[tuple[str, str]]:
        """Every known (object, receptacle) pair with an object of a class."""
        return [
            (thing, place)
            for place, things in self.contents.items()
            for thing in things
            if class_of(thing) == name
        ]


def parse_task(sentence: str, wording: Wording = CURRENT) -> Task | None:
    """Understand a task sentence of ALFWorld's templates or of the wording's; None for others."""
    text = sentence.strip().rstrip(".")
    for pattern in _SENTENCES:
        if match := re.fullmatch(pattern, text):
            groups = match.groupdict()
            state = groups.get("state") or ("two" if "two" in groups else "place")
            kind = "look" if "look" in groups else {"hot": "heat"}.get(state, state)
            return Task(cast(Kind, kind), groups["thing"], groups["place"])
    for kind, forms in zip(Sentences._fields, wording.tasks, strict=True):
        for form in forms:
            stated = _pattern(form.rstrip(".")).fullmatch(text)
            if stated and " " not in stated["o"] + stated["r"]:
                return Task(cast(Kind, kind), stated["o"], stated["r"])
    return None


def parse_command(wording: Wording, command: str) -> Command | None:
    """Take a command apart; None for one that the wording does not have."""
    for verb in COMMANDS:
        form: str | None = getattr(wording, verb)
        if form is not None and (match := _pattern(form).fullmatch(command.strip())):
            groups = match.groupdict()
            thing = groups.get("o") or groups.get("x") or ""
            return Command(verb, thing, groups.get("r") or groups.get("k") or "")
    return None


def spell(wording: Wording, command: Command) -> str:
    """The command as the wording writes it."""
    form: str = getattr(wording, command.verb)
    thing, place = command.thing, command.place
    return form.format(o=thing, x=thing, r=place, k=place)


def first_belief(wording: Wording, text: str) -> Belief:
    """The belief from the text that a game opens with."""
    belief = Belief(wording)
    intro = _pattern(wording.intro_reply).fullmatch(text)
    if intro is None:
        return belief
    if task := _pattern(wording.task_reply).fullmatch(intro["task"]):
        sentence = task["task"].strip().rstrip(".")
        belief = replace(belief, sentence=sentence, task=parse_task(sentence, wording))
    if middle := _pattern(wording.middle_reply).fullmatch(intro["look"]):
        return replace(belief, receptacles=_items(wording, middle["things"]))
    belief = _look(belief, Command("look"), intro["look"])
    return replace(belief, receptacles=tuple(belief.sites))


def updated(belief: Belief, command: str, feedback: str) -> Belief:
    """The belief after a command and the game's answer to it."""
    parsed = parse_command(belief.wording, command)
    if parsed is None:
        return belief
    if feedback == belief.wording.invalid_reply:
        return _refused(belief, parsed)
    return _LEARN.get(parsed.verb, _nothing)(belief, parsed, feedback)


@cache
def _pattern(template: str) -> re.Pattern[str]:
    """A pattern with a group for each placeholder."""
    groups: set[str] = set()
    parts = []
    for part in re.split(r"(\{\w+\})", template):
        name = part[1:-1]
        if not part.startswith("{"):
            parts.append(re.escape(part))
        else:
            parts.append(f"(?P={name})" if name in groups else f"(?P<{name}>.+?)")
            groups.add(name)
    return re.compile("".join(parts), re.DOTALL)


def _names(wording: Wording, text: str) -> tuple[str, ...]:
    """The names in a list as `Wording.enumerate` writes it."""
    if text == wording.nothing:
        return ()
    head, comma, last = text.rpartition(wording.last_separator)
    return (*head.split(wording.separator), last) if comma else (text,)


def _items(wording: Wording, text: str) -> tuple[str, ...]:
    """The names in a list as `Wording.items` writes it."""
    pattern = _pattern(wording.item)
    matches = [pattern.fullmatch(item) for item in _names(wording, text)]
    return tuple(match["name"] for match in matches if match)


# What the feedback to each verb tells.


def _nothing(belief: Belief, command: Command, feedback: str) -> Belief:
    return belief


def _look(belief: Belief, command: Command, feedback: str) -> Belief:
    facing = _pattern(belief.wording.facing_reply).fullmatch(feedback)
    if facing is None:
        return belief
    for receptacle in _names(belief.wording, facing["receptacles"]):
        belief = _joined(belief, receptacle)
    return belief


def _goto(belief: Belief, command: Command, feedback: str) -> Belief:
    arrival = _pattern(belief.wording.goto_reply).fullmatch(feedback)
    if arrival is None:
        return belief
    place = command.place
    site = arrival.groupdict().get("l") or belief.sites.get(place, place)
    belief = replace(belief, at=place, site=site, sites={**belief.sites, place: site})
    return _seen(belief, arrival["seen"])


def _open(belief: Belief, command: Command, feedback: str) -> Belief:
    opening = _pattern(belief.wording.open_reply).fullmatch(feedback)
    return belief if opening is None else _seen(belief, opening["seen"])


def _close(belief: Belief, command: Command, feedback: str) -> Belief:
    return replace(belief, closed={**belief.closed, command.place: True})


def _examine(belief: Belief, command: Command, feedback: str) -> Belief:
    return _seen(belief, feedback)


def _seen(belief: Belief, text: str) -> Belief:
    """Learn from the description of a receptacle. (That of an object says nothing new.)"""
    words = belief.wording
    for form in (words.is_closed, words.is_open, words.on_top):
        if match := _pattern(form).fullmatch(text):
            place = match["r"]
            belief = replace(belief, closed={**belief.closed, place: form == words.is_closed})
            if form == words.is_closed:
                return belief
            contents = {**belief.contents, place: _items(words, match["things"])}
            return replace(belief, contents=contents, looked=belief.looked | {place})
    return belief


def _take(belief: Belief, command: Command, feedback: str) -> Belief:
    thing, place = command.thing, command.place
    rest = tuple(other for other in belief.contents.get(place, ()) if other != thing)
    contents = {**belief.contents, place: rest}
    return replace(belief, contents=contents, holding=thing, source=place)


def _put(belief: Belief, command: Command, feedback: str) -> Belief:
    thing, place = command.thing, command.place
    inside = belief.contents.get(place, ())
    if thing not in inside:
        inside = (*inside, thing)
    return replace(belief, contents={**belief.contents, place: inside}, holding=None)


def _treat(belief: Belief, command: Command, feedback: str) -> Belief:
    verb, thing = command.verb, command.thing
    undone = {"heat": "cool", "cool": "heat"}.get(verb, "")
    marks = (belief.treated.get(thing, frozenset()) | {verb}) - {undone}
    return replace(belief, treated={**belief.treated, thing: marks})


def _use(belief: Belief, command: Command, feedback: str) -> Belief:
    return replace(belief, used=belief.used | {command.thing})


_LEARN: Final[dict[str, Callable[[Belief, Command, str], Belief]]] = {
    "look": _look,
    "goto": _goto,
    "open": _open,
    "close": _close,
    "take": _take,
    "put": _put,
    "examine": _examine,
    "use": _use,
    "heat": _treat,
    "clean": _treat,
    "cool": _treat,
}


def _refused(belief: Belief, command: Command) -> Belief:
    """Learn from a command that had no effect."""
    verb, thing, place = command
    if verb == "goto" and place in belief.receptacles and belief.site is not None:
        return _joined(belief, place)  # nobody can go to where they are
    if verb == "open" and belief.is_here(place):
        return replace(belief, closed={**belief.closed, place: False})
    in_reach = belief.is_here(place)
    visible = in_reach and belief.closed.get(place) is False
    expected = {
        "take": visible and belief.holding is None,
        "put": visible and belief.holding == thing,
        "heat": in_reach and belief.holding == thing,
        "cool": in_reach and belief.holding == thing,
        "clean": in_reach and belief.holding == thing,
        "use": any(belief.is_here(where) for where in belief.places_of(thing)),
    }
    return replace(belief, failed=belief.failed | {command}) if expected.get(verb) else belief


def _joined(belief: Belief, receptacle: str) -> Belief:
    """Learn that the agent is at a receptacle, and so at all receptacles of its site."""
    site = belief.site or receptacle
    former = belief.sites.get(receptacle)
    sites = {r: site if s == former else s for r, s in belief.sites.items()} | {receptacle: site}
    return replace(belief, site=site, sites=sites)

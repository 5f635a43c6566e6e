"""What a household game says and which commands it takes: one `Wording` per revision, and ours.

A wording is data. The engine knows the semantics of a command (`take`, `put`, …) and asks the
wording for its form; so a further wording (other verbs, other sentences) is another `Wording`
object and nothing else. Placeholders: `{o}` an object's name, `{r}` a receptacle's, `{l}` a
location's, `{k}` the knife's, `{things}` a list, `{task}` the task sentence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final, NamedTuple


class Sentences(NamedTuple):
    """How a wording states a task of each kind, with a full stop; `{o}` and `{r}` are classes.

    For `look`, `{r}` is the lamp.
    """

    place: tuple[str, ...]
    two: tuple[str, ...]
    clean: tuple[str, ...]
    heat: tuple[str, ...]
    cool: tuple[str, ...]
    look: tuple[str, ...]


@dataclass(frozen=True)
class Wording:
    """The text of one revision, and the two traits in which the revisions' rules differ.

    Attributes named `*_reply` are feedbacks, the others commands. `examined` maps what is true of
    an object to the sentence about it, first match wins; its conditions are names of
    `cotgap.envs.household.engine.World.trait`. An action without a command (None) does not exist.
    """

    name: str
    clean_at: tuple[str, ...]
    """Receptacle types (lower case, with the suffix "type") at which objects can be cleaned."""

    # Commands.
    look: str
    inventory: str
    goto: str
    open: str
    close: str
    take: str
    put: str
    examine: str
    use: str
    heat: str
    clean: str
    cool: str
    slice: str
    help: str | None

    # Feedbacks.
    intro_reply: str
    task_reply: str
    goto_reply: str
    open_reply: str
    close_reply: str
    take_reply: str
    put_reply: str
    use_reply: str
    heat_reply: str
    clean_reply: str
    cool_reply: str
    slice_reply: str
    help_reply: str
    carrying_reply: str
    empty_handed_reply: str
    is_open: str
    is_closed: str
    on_top: str
    facing_reply: str
    middle_reply: str
    holder_reply: str
    """Examining an object that can hold others ("isReceptacleObject")."""
    examined: tuple[tuple[tuple[str, ...], str], ...]
    invalid_reply: str

    # Lists.
    item: str
    nothing: str
    separator: str
    last_separator: str

    tasks: Sentences
    """For games that are made; a file brings its own sentence."""

    def reword(self, command: str, other: Wording) -> str:
        """A command of this wording in another one; itself if it is no command of this one."""
        for form, pattern in _patterns(self):
            match = pattern.fullmatch(command)
            target = getattr(other, form)
            if match and target is not None:
                return str(target.format(**match.groupdict()))
        return command

    def enumerate(self, names: Sequence[str]) -> str:
        """`names` as the game writes a list: "nothing", "a", "a, and b", "a, b, and c"."""
        if not names:
            return self.nothing
        if len(names) == 1:
            return names[0]
        return self.separator.join(names[:-1]) + self.last_separator + names[-1]

    def items(self, names: Sequence[str]) -> str:
        """`names` as a list of things, each with its article."""
        return self.enumerate([self.item.format(name=name) for name in names])


COMMANDS: Final = (
    "look",
    "inventory",
    "goto",
    "open",
    "close",
    "take",
    "put",
    "examine",
    "use",
    "heat",
    "clean",
    "cool",
    "slice",
    "help",
)
"""The attributes of `Wording` that are commands."""


@cache
def _patterns(wording: Wording) -> list[tuple[str, re.Pattern[str]]]:
    """(attribute, pattern with the placeholders as groups) for each command of a wording."""
    forms = [(form, getattr(wording, form)) for form in COMMANDS]
    return [
        (form, re.compile(re.sub(r"\\\{(\w)\\\}", r"(?P<\1>.+)", re.escape(text))))
        for form, text in forms
        if text is not None
    ]


# The files' text starts with a newline, but the stock engine's parser drops it.
_HELP = """\
Available commands:
  look:                             look around your current location
  inventory:                        check your current inventory
  go to (receptacle):               move to a receptacle
  open (receptacle):                open a receptacle
  close (receptacle):               close a receptacle
  take (object) from (receptacle):  take an object from a receptacle
  move (object) to (receptacle):  place an object in or on a receptacle
  examine (something):              examine a receptacle or an object
  use (object):                     use an object
  heat (object) with (receptacle):  heat an object using a receptacle
  clean (object) with (receptacle): clean an object using a receptacle
  cool (object) with (receptacle):  cool an object using a receptacle
  slice (object) with (object):     slice an object using a sharp object
"""

CURRENT: Final = Wording(
    name="current",
    clean_at=("sinktype", "sinkbasintype"),
    look="look",
    inventory="inventory",
    goto="go to {r}",
    open="open {r}",
    close="close {r}",
    take="take {o} from {r}",
    put="move {o} to {r}",
    examine="examine {x}",
    use="use {o}",
    heat="heat {o} with {r}",
    clean="clean {o} with {r}",
    cool="cool {o} with {r}",
    slice="slice {o} with {k}",
    help="help",
    intro_reply="-= Welcome to TextWorld, ALFRED! =-\n\n{look}\n\n{task}",
    task_reply="Your task is to: {task}",
    goto_reply="You arrive at {r}. {seen}",
    open_reply="You open the {r}. {seen}",
    close_reply="You close the {r}.",
    take_reply="You pick up the {o} from the {r}.",
    put_reply="You move the {o} to the {r}.",
    use_reply="You turn on the {o}.",
    heat_reply="You heat the {o} using the {r}.",
    clean_reply="You clean the {o} using the {r}.",
    cool_reply="You cool the {o} using the {r}.",
    slice_reply="You sliced the {o} with the {k}.",
    help_reply=_HELP,
    carrying_reply="You are carrying: {things}.",
    empty_handed_reply="You are not carrying anything.",
    is_open="The {r} is open. In it, you see {things}.",
    is_closed="The {r} is closed.",
    on_top="On the {r}, you see {things}.",
    facing_reply="You are facing the {receptacles}. Next to it, you see {things}.",
    middle_reply=("You are in the middle of a room. Looking quickly around you, you see {things}."),
    holder_reply="This is a normal {o}. In it, you see {things}.",
    examined=(
        (("clean", "hot", "sliced"), "This is a hot and clean sliced {o}."),
        (("clean", "cool", "sliced"), "This is a cool and clean sliced {o}."),
        (("clean", "sliced"), "This is a clean sliced {o}."),
        (("hot", "sliced"), "This is a hot sliced {o}."),
        (("cool", "sliced"), "This is a cool sliced {o}."),
        (("clean", "hot"), "This is a hot and clean {o}."),
        (("clean", "cool"), "This is a cool and clean {o}."),
        (("hot",), "This is a hot {o}."),
        (("clean",), "This is a clean {o}."),
        (("cool",), "This is a cold {o}."),
        (("toggleable", "toggled"), "This {o} is on."),
        (("sliceable", "sliced"), "This is a sliced {o}."),
        ((), "There's nothing special about {o}."),
    ),
    invalid_reply="Nothing happens.",
    item="a {name}",
    nothing="nothing",
    separator=", ",
    last_separator=", and ",
    tasks=Sentences(
        place=("put a {o} in {r}.", "put some {o} on {r}."),
        two=("put two {o} in {r}.", "find two {o} and put them in {r}."),
        clean=("put a clean {o} in {r}.", "clean some {o} and put it in {r}."),
        heat=("put a hot {o} in {r}.", "heat some {o} and put it in {r}."),
        cool=("put a cool {o} in {r}.", "cool some {o} and put it in {r}."),
        look=("look at {o} under the {r}.", "examine the {o} with the {r}."),
    ),
)
"""The data as `alfworld-download` leaves it since ALFWorld 0.4."""

PACKAGE: Final = replace(CURRENT, name="package", clean_at=("sinkbasintype",))
"""What `alfworld-generate` of ALFWorld 0.4.2 writes."""

OLDER: Final = replace(
    CURRENT,
    name="older",
    put="put {o} in/on {r}",
    help=None,
    # Arrival names the location ("loc 12"), not the receptacle.
    goto_reply="You arrive at {l}. {seen}",
    put_reply="You put the {o} in/on the {r}.",
)
"""The data before ALFWorld 0.4, on which most published numbers were measured."""

REPHRASED: Final = replace(
    CURRENT,
    name="rephrased",
    look="survey the room",
    inventory="check my hands",
    goto="walk over to {r}",
    open="unlatch {r}",
    close="shut {r}",
    take="grab {o} at {r}",
    put="leave {o} at {r}",
    examine="inspect {x}",
    use="flip the switch of {o}",
    heat="warm {o} up by {r}",
    clean="wash {o} at {r}",
    cool="chill {o} by {r}",
    slice="cut {o} using {k}",
    help="list the commands",
    intro_reply="A new day begins.\n\n{look}\n\n{task}",
    task_reply="What you have to do: {task}",
    goto_reply="{r} is now before you. {seen}",
    open_reply="With a click, {r} comes open. {seen}",
    close_reply="You push {r} shut.",
    take_reply="{o}, which was at {r}, is in your hand now.",
    put_reply="{o} stays behind at {r}.",
    use_reply="Click: you have worked the switch of {o}.",
    heat_reply="Thanks to {r}, {o} gets warm.",
    clean_reply="Thanks to {r}, {o} is free of dirt.",
    cool_reply="Thanks to {r}, {o} gets cold.",
    slice_reply="{k} goes through {o}, piece by piece.",
    help_reply="""\
You can:
  survey the room
  check my hands
  walk over to (place)
  unlatch (place)
  shut (place)
  grab (thing) at (place)
  leave (thing) at (place)
  inspect (anything)
  flip the switch of (thing)
  warm (thing) up by (place)
  wash (thing) at (place)
  chill (thing) by (place)
  cut (thing) using (blade)
""",
    carrying_reply="Your hands hold {things}.",
    empty_handed_reply="Your hands are free.",
    is_open="Behind the open front of {r} there is {things}.",
    is_closed="One cannot see into {r} while it is shut.",
    on_top="{r} has on it {things}.",
    facing_reply="Before you: {receptacles}. Within your reach: {things}.",
    middle_reply="You stand in a room and see around you {things}.",
    holder_reply="{o} is quite ordinary and contains {things}.",
    examined=(
        (("clean", "hot", "sliced"), "{o} is in pieces, warm and spotless."),
        (("clean", "cool", "sliced"), "{o} is in pieces, cold and spotless."),
        (("clean", "sliced"), "{o} is in pieces and spotless."),
        (("hot", "sliced"), "{o} is in pieces and warm."),
        (("cool", "sliced"), "{o} is in pieces and cold."),
        (("clean", "hot"), "{o} is warm and spotless."),
        (("clean", "cool"), "{o} is cold and spotless."),
        (("hot",), "{o} is warm."),
        (("clean",), "{o} is spotless."),
        (("cool",), "{o} is cold."),
        (("toggleable", "toggled"), "{o} has been switched."),
        (("sliceable", "sliced"), "{o} is in pieces."),
        ((), "{o} is as one would expect."),
    ),
    invalid_reply="That leads nowhere.",
    item="one {name}",
    nothing="not a thing",
    separator="; ",
    last_separator=" and ",
    tasks=Sentences(
        place=("get one {o} to the {r}.", "the {r} lacks one {o}; see to it."),
        two=("get two {o} to the {r}.", "the {r} lacks two {o}; see to it."),
        clean=("get one {o} to the {r} after a wash.", "the {r} lacks one washed {o}; see to it."),
        heat=(
            "get one {o} to the {r} after warming it.",
            "the {r} lacks one warmed {o}; see to it.",
        ),
        cool=("get one {o} to the {r} after a chill.", "the {r} lacks one chilled {o}; see to it."),
        look=("hold one {o} where the {r} shines.", "inspect one {o} by the light of the {r}."),
    ),
)
"""Our own: the texts and commands of `current` in other words, to measure what words matter."""

WORDINGS: Final[dict[str, Wording]] = {w.name: w for w in (OLDER, CURRENT, PACKAGE)}
"""The wordings of the revisions that game files carry."""

ALL_WORDINGS: Final[dict[str, Wording]] = {**WORDINGS, REPHRASED.name: REPHRASED}
"""Every wording that a game can be played in."""

_INSTRUCTIONS: Final = """\
You act in a household through text. You are told where you are and what your task is; each turn, \
give exactly one command, and you are told what happens.
Commands:
{commands}
Names carry their number, as in "mug 1" or "countertop 2". You can hold one object at a time."""


def instructions(wording: Wording) -> str:
    """What an agent is told of the task format, with the commands of a wording."""
    forms = (getattr(wording, command) for command in COMMANDS)
    lines = [
        form.format(o="OBJECT", r="RECEPTACLE", x="THING", k="KNIFE") for form in forms if form
    ]
    return _INSTRUCTIONS.format(commands="\n".join(lines))

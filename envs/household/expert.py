"""An expert that knows only what the agent has been told.

It looks where such things usually are (`cotgap.envs.household.habits`), best chance per command
first, remembers what it saw, and does what the task asks. It can go on from any state from which
the game can still be won. (Some objects can be taken, and then be put down nowhere.)

`python -m tools.household.expert` prints how many games it wins.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple, TypeAlias

from cotgap.envs.household.belief import Belief, Command, Task, spell
from cotgap.envs.household.habits import class_of, habits

Aim: TypeAlias = Literal["search", "fetch", "treat", "deliver", "light", "clear", "wait"]

APPLIANCES: Final = {
    "heat": ("microwave",),
    "cool": ("fridge",),
    "clean": ("sinkbasin", "bathtubbasin", "sink"),
}
_RARE: Final = 0.002  # the share assumed where training games have none


class Choice(NamedTuple):
    """What to do next, and what for."""

    command: Command
    aim: Aim
    thing: str = ""
    """The object that it is about: a name, or a class while it is searched for."""
    place: str = ""
    """The receptacle to get to or use."""


def expert_action(belief: Belief) -> str:
    """The expert's next command; it looks around where it knows no other."""
    return spell(belief.wording, choose(belief).command)


def choose(belief: Belief) -> Choice:
    """The expert's next command with its purpose."""
    task = belief.task
    if task is None:
        return _wait()
    if belief.holding is None:
        return _get(belief, task)
    if class_of(belief.holding) != task.thing:
        return _clear(belief, belief.holding)
    if task.kind == "look":
        return _light(belief, task, belief.holding)
    return _bring(belief, task, belief.holding)


def _wait() -> Choice:
    return Choice(Command("look"), "wait")


def _reach(belief: Belief, place: str, then: Command, aim: Aim, thing: str) -> Choice:
    """The next step towards doing `then` at `place`, which must be open for it."""
    if belief.is_here(place) and belief.closed.get(place):
        return Choice(Command("open", "", place), aim, thing, place)
    return _approach(belief, place, then, aim, thing)


def _approach(belief: Belief, place: str, then: Command, aim: Aim, thing: str) -> Choice:
    """The next step towards doing `then` at `place`, open or not."""
    command = then if belief.is_here(place) else Command("goto", "", place)
    return Choice(command, aim, thing, place)


def _effort(belief: Belief, place: str) -> float:
    """About how many commands it takes to see or use what is in a receptacle."""
    goto = 0 if belief.is_here(place) else 1
    closed = belief.closed.get(place)
    if closed is None:
        return goto + habits().openable.get(class_of(place), 0.0)
    return goto + closed


def _nearest(belief: Belief, places: Iterable[str]) -> str | None:
    return min(places, key=lambda place: _effort(belief, place), default=None)


# Empty-handed.


def _get(belief: Belief, task: Task) -> Choice:
    done = settled(belief, task)
    options = [
        (thing, place)
        for thing, place in belief.seen_of(task.thing)
        if thing not in done and Command("take", thing, place) not in belief.failed
    ]
    if not options:
        return _search(belief, task.thing)

    def effort(option: tuple[str, str]) -> float:
        thing, place = option
        untreated = task.kind in APPLIANCES and task.kind not in belief.treated.get(thing, ())
        return _effort(belief, place) + 2 * untreated

    thing, place = min(options, key=effort)
    return _reach(belief, place, Command("take", thing, place), "fetch", thing)


def settled(belief: Belief, task: Task) -> frozenset[str]:
    """The objects that are in place already, for a task of two objects."""
    if task.kind != "two" or (place := _target(belief, task)) is None:
        return frozenset()
    return frozenset(t for t in belief.contents.get(place, ()) if class_of(t) == task.thing)


def _search(belief: Belief, name: str) -> Choice:
    """Look into the receptacle with the best chance per command."""
    unknown = [place for place in belief.receptacles if place not in belief.looked]
    if not unknown:
        return _wait()
    place = max(unknown, key=lambda place: _chance(belief, name, place) / _cost(belief, place))
    if not belief.is_here(place):
        return Choice(Command("goto", "", place), "search", name, place)
    openable = habits().openable.get(class_of(place), 0.0) > 0.5
    shut = belief.closed.get(place, openable)
    command = Command("open", "", place) if shut else Command("examine", place)
    return Choice(command, "search", name, place)


def _cost(belief: Belief, place: str) -> float:
    return max(1.0, _effort(belief, place))


def _chance(belief: Belief, name: str, place: str) -> float:
    task = belief.task
    chance = habits().found.get(name, {}).get(class_of(place), _RARE)
    if task is not None and task.kind == "place" and task.place == class_of(place):
        return chance * _RARE  # the task would be done if one were there
    return chance


# With something in hand.


def _bring(belief: Belief, task: Task, thing: str) -> Choice:
    if task.kind in APPLIANCES and task.kind not in belief.treated.get(thing, ()):
        appliances = [
            place
            for name in APPLIANCES[task.kind]
            for place in belief.of_class(name)
            if Command(task.kind, thing, place) not in belief.failed
        ]
        if place := _nearest(belief, appliances):
            return _approach(belief, place, Command(task.kind, thing, place), "treat", thing)
    if place := _target(belief, task):
        return _reach(belief, place, Command("put", thing, place), "deliver", thing)
    return _wait()


def _target(belief: Belief, task: Task) -> str | None:
    """The receptacle to fill: for two things, the one where most of them are already."""
    places = [
        place
        for place in belief.of_class(task.place)
        if not any(
            Command("put", thing, place) in belief.failed for thing, _ in belief.seen_of(task.thing)
        )
    ]

    def preference(place: str) -> tuple[int, float]:
        inside = belief.contents.get(place, ())
        here = sum(class_of(thing) == task.thing for thing in inside) if task.kind == "two" else 0
        return -here, _effort(belief, place)

    return min(places, key=preference, default=None)


def _light(belief: Belief, task: Task, thing: str) -> Choice:
    lamps = [
        (lamp, place)
        for lamp, place in belief.seen_of(task.place)
        if Command("use", lamp) not in belief.failed
    ]
    if not lamps:
        return _search(belief, task.place)
    lamp, place = min(lamps, key=lambda option: _effort(belief, option[1]))
    return _approach(belief, place, Command("use", lamp), "light", thing)


def _clear(belief: Belief, thing: str) -> Choice:
    """Put down an object that the task does not need: where it fits, else where that may work."""
    name = class_of(thing)
    places = [p for p in belief.receptacles if Command("put", thing, p) not in belief.failed]
    fitting = [p for p in places if name in habits().fits.get(class_of(p), ())]
    place = _nearest(belief, fitting or places)
    if place is None:
        return _wait()
    return _reach(belief, place, Command("put", thing, place), "clear", thing)

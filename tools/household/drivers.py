"""Drivers: endless streams of commands for a game that two engines play side by side.

A driver chooses each command by our `World` alone. The comparison of the admissible lists shows
whether the other engine would allow the same.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from cotgap.envs.household.belief import first_belief, updated
from cotgap.envs.household.engine import World
from cotgap.envs.household.expert import expert_action
from cotgap.envs.household.wording import COMMANDS, WORDINGS

Driver: TypeAlias = Callable[[World, random.Random], Iterator[str]]

# White space that str.strip removes, and some that it does not.
_BLANKS: Final = (" ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u2003", "\u3000", "\x1c", "\x85", "\v")
_NOT_BLANK: Final = ("\u200b", "\ufeff", "\u2060", "\x00", "\x08")
_TEXTS: Final = (
    "",
    "look around",
    "l",
    "i",
    "help me",
    "go to",
    "go to {r}",
    "take {o} from {r}",
    "open {r.name}",
    "examine",
    "go to loc 1",
    "go to agent1",
    "examine agent1 ",
    "look\nlook",
    "look; inventory",
    "look, inventory",
    "#look.feedback#",
    "[look]",
    "(look)",
    "Ｌｏｏｋ",
    "ＬＯＯＫ",
    "mira alrededor",
    "看",
    "🚪",
    "\u202elook",
    "%s %d {0}",
    "null",
    "a " * 2000,
)


def valid(world: World, rng: random.Random) -> Iterator[str]:
    """Random valid commands, mostly ones that do something to an object or a receptacle."""
    while True:
        actions = world.actions()
        touching = sorted(c for c, a in actions.items() if a.verb not in _IDLE)
        anything = not touching or rng.random() < 0.3
        yield rng.choice(world.admissible() if anything else touching)


_IDLE: Final = frozenset(("goto", "look", "inventory", "help"))


def walkthrough(world: World, rng: random.Random) -> Iterator[str]:
    """The file's walkthrough, then random valid commands."""
    yield from world.game.walkthrough or ()
    yield from valid(world, rng)


def expert(world: World, rng: random.Random) -> Iterator[str]:
    """The expert until it has won, then random valid commands."""
    twin = World(world.game)
    belief = first_belief(world.game.wording, twin.reset())
    while not twin.won:
        command = expert_action(belief)
        yield command
        belief = updated(belief, command, twin.step(command))
    yield from valid(world, rng)


def hostile(world: World, rng: random.Random) -> Iterator[str]:
    """Mostly invalid: near misses, odd white space, stale and repeated commands, plain noise."""
    seen = ["look"]
    legal = valid(world, rng)
    while True:
        command = next(legal)
        seen.append(command)
        yield rng.choice(_TRICKS)(world, rng, command, seen)


def mixed(world: World, rng: random.Random) -> Iterator[str]:
    """Valid and hostile commands in turns; in half of the games the walkthrough's are mixed in."""
    legal, noise = valid(world, rng), hostile(world, rng)
    due = list(world.game.walkthrough or ()) if rng.random() < 0.5 else []
    while True:
        coin = rng.random()
        if coin < 0.3:
            yield next(noise)
        elif due and due[0] in world.actions() and coin < 0.7:
            yield due.pop(0)
        else:
            yield next(legal)


DRIVERS: Final[dict[str, Driver]] = {
    "random": valid,
    "expert": expert,
    "walkthrough": walkthrough,
    "hostile": hostile,
    "mixed": mixed,
}


_Trick: TypeAlias = Callable[[World, random.Random, str, list[str]], str]


def _plain(world: World, rng: random.Random, command: str, seen: list[str]) -> str:
    return command


def _again(world: World, rng: random.Random, command: str, seen: list[str]) -> str:
    return seen[-2]


def _stale(world: World, rng: random.Random, command: str, seen: list[str]) -> str:
    return rng.choice(seen)


def _padded(world: World, rng: random.Random, command: str, seen: list[str]) -> str:
    blanks: tuple[str, ...] = _BLANKS + _NOT_BLANK if rng.random() < 0.3 else _BLANKS
    return rng.choice(("", *blanks)) + command + rng.choice(blanks)


def _inner(world: World, rng: random.Random, command: str, seen: list[str]) -> str:
    return command.replace(" ", rng.choice(("  ", "\u00a0", "\t", "", "-")), 1)


def _cased(world: World, rng: random.Random, command: str, seen: list[str]) -> str:
    return rng.choice((command.upper(), command.capitalize(), command.title()))


def _cut(world: World, rng: random.Random, command: str, seen: list[str]) -> str:
    place = rng.randrange(len(command))
    return command[:place] + rng.choice(("", "x", ".", " ")) + command[place + 1 :]


def _ended(world: World, rng: random.Random, command: str, seen: list[str]) -> str:
    return command + rng.choice((".", "!", " please", " now", " 1", "0", "\u0661", "</action>"))


def _renumbered(world: World, rng: random.Random, command: str, seen: list[str]) -> str:
    words = command.split()
    numbers = [n for n, word in enumerate(words) if word.isdigit()]
    if not numbers:
        return "examine 1"
    words[rng.choice(numbers)] = rng.choice(("0", "01", "2", "3", "99", "-1", "１", "one", ""))
    return " ".join(words)


def _noise(world: World, rng: random.Random, command: str, seen: list[str]) -> str:
    if rng.random() < 0.7:
        return rng.choice(_TEXTS)
    return "".join(chr(rng.randrange(1, 0x2FFF)) for _ in range(rng.randrange(1, 30)))


def _anything(world: World, rng: random.Random, command: str, seen: list[str]) -> str:
    """A well-formed command of a random wording about random things; it is seldom valid."""
    game = world.game
    names = [*game.object_names, *game.receptacle_names, "agent1 ", "loc 1"]
    form: str = getattr(rng.choice(list(WORDINGS.values())), rng.choice(COMMANDS)) or "help"
    objects = game.object_names or ("mug 1",)
    receptacles = game.receptacle_names or ("desk 1",)
    return form.format(
        o=rng.choice(objects),
        r=rng.choice(receptacles),
        x=rng.choice(names),
        k=rng.choice(objects),
    )


def _here(world: World, rng: random.Random, command: str, seen: list[str]) -> str:
    """A plausible, mostly invalid command about things here that are closed, absent or not held."""
    game, words = world.game, world.game.wording
    here = game.receptacles_at[world.location] or tuple(range(len(game.receptacle_names)))
    if not here or not game.object_names:
        return command
    r = rng.choice(here)
    o = rng.choice(world.contents[r] or tuple(range(len(game.object_names))))
    if world.held is not None and rng.random() < 0.5:
        o = world.held
    verb = rng.choice(
        ("goto", "open", "close", "take", "put", "examine", "use", "heat", "clean", "cool", "slice")
    )
    obj, receptacle = game.object_names[o], game.receptacle_names[r]
    form: str = getattr(words, verb)
    return form.format(o=obj, r=receptacle, x=rng.choice((obj, receptacle)), k=obj)


_TRICKS: Final[tuple[_Trick, ...]] = (
    _plain,
    _plain,
    _plain,
    _again,
    _stale,
    _padded,
    _inner,
    _cased,
    _cut,
    _ended,
    _renumbered,
    _noise,
    _anything,
    _anything,
    _here,
    _here,
    _here,
)

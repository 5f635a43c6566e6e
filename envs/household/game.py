"""Loads a `game.tw-pddl` into a `Game`: all that never changes during play, compiled once.

Objects, receptacles and locations are numbered from 0, each in the order of their lower-cased
PDDL ids, which is the order in which the game enumerates them. Sets of objects (and of
receptacles) are bit masks: bit `n` stands for number `n`; `members` lists a mask.

The goal numbers all symbols in one sequence: objects, then receptacles, locations, the agent
(`Game.receptacle_code`, `location_code`, `agent_code`).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from cotgap.envs.household.errors import BadGame
from cotgap.envs.household.goal import Goal
from cotgap.envs.household.pddl import parse_problem
from cotgap.envs.household.revisions import revision_of, split_task
from cotgap.envs.household.tables import Initial, Tables
from cotgap.envs.household.wording import ALL_WORDINGS, WORDINGS, Wording


@dataclass(frozen=True, slots=True, eq=False)
class Game:
    """A loaded game: immutable, and shared by any number of `World`s."""

    name: str
    """Where it came from: a path or a label."""
    task: str
    """The task sentence as the game prints it: "put some pencil on dresser."."""
    revision: str
    """The wording in force: a key of `ALL_WORDINGS`."""
    file_revision: str
    """The wording that the file itself carries, or that the game was made in."""
    content_hash: str
    """SHA-256 (hex) over the task sentence, a newline and the `pddl_problem`: what identifies the
    game whatever its wording. Add `revision` to identify what is played."""
    walkthrough: tuple[str, ...] | None
    """A winning list of commands, in the wording in force; None where the file has none."""
    solvable: bool | None
    """What the file says about itself; None where it says nothing."""
    wording: Wording
    intro: str
    """The text of a reset."""

    object_names: tuple[str, ...]
    """Object number → its name ("mug 2")."""
    object_types: tuple[str, ...]
    """Object number → its PDDL type in lower case ("mugtype"); "" without one."""
    receptacle_names: tuple[str, ...]
    receptacle_types: tuple[str, ...]
    """Receptacle number → its PDDL type in lower case ("sinkbasintype"); "" without one."""
    receptacle_location: tuple[int, ...]
    """Receptacle number → its location's number; -1 for one that is nowhere."""
    location_names: tuple[str, ...]
    """Location number → its name ("loc 12")."""
    receptacles_at: tuple[tuple[int, ...], ...]
    """Location number → its receptacles, ascending. Often several share one."""
    holder_contents: Mapping[int, tuple[int, ...]]
    """Number of an object that can hold others ("isReceptacleObject") → what it holds. Constant,
    and without consequence but for `examine`."""
    accepts: tuple[int, ...]
    """Receptacle number → mask of the objects that can be put there ("canContain")."""

    openable: int
    """Mask of receptacles. `can_heat`, `can_cool` and `can_clean` are masks of appliances."""
    can_heat: int
    can_cool: int
    can_clean: int
    pickupable: int
    """Mask of objects, like the following."""
    heatable: int
    coolable: int
    cleanable: int
    toggleable: int
    sliceable: int
    knives: int
    """Mask of objects that slice when held (knives and butter knives)."""

    goal: Goal
    initial: Initial

    def receptacle_code(self, receptacle: int) -> int:
        """A receptacle's number among all symbols (`Goal`)."""
        return len(self.object_names) + receptacle

    def location_code(self, location: int) -> int:
        """A location's number among all symbols (`Goal`)."""
        return len(self.object_names) + len(self.receptacle_names) + location

    @property
    def agent_code(self) -> int:
        """The agent's number among all symbols (`Goal`)."""
        return self.location_code(len(self.location_names))

    def __repr__(self) -> str:
        return f"Game({self.name!r}, {self.task!r}, wording {self.revision!r})"


def members(mask: int) -> list[int]:
    """The numbers in a bit mask, ascending."""
    return [n for n in range(mask.bit_length()) if mask >> n & 1]


def load_game(source: str | Path | Mapping[str, Any], wording: str = "file") -> Game:
    """Load a game from a `game.tw-pddl`, or from what such a file holds.

    `wording`: "file" for the wording that the file carries, or the name of one in `ALL_WORDINGS`,
    in which the same `pddl_problem` is then played.

    Raises `BadGame` for a file that is missing, truncated, not a game, or of an unknown domain,
    and for an unknown wording.
    """
    if wording != "file":
        _known(wording)
    name = "a game given as data" if isinstance(source, Mapping) else os.fspath(source)
    try:
        data = source if isinstance(source, Mapping) else _read(name)
        texts = [data.get(key) for key in ("pddl_domain", "grammar", "pddl_problem")]
        if not all(isinstance(text, str) for text in texts):
            raise BadGame("a game has the texts pddl_domain, grammar and pddl_problem")
        task, grammar = split_task(data["grammar"])
        written = WORDINGS[revision_of(data["pddl_domain"], grammar)]
        return _build(name, task, data, written, ALL_WORDINGS.get(wording, written))
    except BadGame as error:
        raise BadGame(f"{name}: {error}") from None
    except RecursionError:
        raise BadGame(f"{name}: nested too deeply") from None


def make_game(
    pddl_problem: str, task: str, wording: str = "current", name: str = "a made game"
) -> Game:
    """A game from its problem and task sentence alone, in a known wording.

    Raises `BadGame` as `load_game` does.
    """
    words = _known(wording)
    try:
        return _build(name, task, {"pddl_problem": pddl_problem}, words, words)
    except BadGame as error:
        raise BadGame(f"{name}: {error}") from None


@lru_cache(maxsize=512)
def _cached(path: str, mtime_ns: int, size: int, wording: str) -> Game:
    return load_game(path, wording)


def cached_game(path: str | Path, wording: str = "file") -> Game:
    """`load_game` for a file, remembering the 512 games used last (about 20 KB each)."""
    try:
        stat = os.stat(path)
    except OSError:
        return load_game(path, wording)  # says what is wrong
    return _cached(os.fspath(path), stat.st_mtime_ns, stat.st_size, wording)


def _read(path: str) -> Mapping[str, Any]:
    try:
        with open(path, "rb") as file:
            data = json.loads(file.read())
    except OSError as error:
        raise BadGame(f"cannot read the game: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise BadGame(f"not a game file, or a truncated one: {error}") from None
    if not isinstance(data, dict):
        raise BadGame("not a game file: it holds no JSON object")
    return data


def _known(wording: str) -> Wording:
    if wording not in ALL_WORDINGS:
        raise BadGame(f"unknown wording {wording!r}: known are file, {', '.join(ALL_WORDINGS)}")
    return ALL_WORDINGS[wording]


def _build(
    name: str, task: str, data: Mapping[str, Any], written: Wording, wording: Wording
) -> Game:
    problem = data["pddl_problem"]
    return Game(
        name=name,
        task=task,
        revision=wording.name,
        file_revision=written.name,
        content_hash=hashlib.sha256(f"{task}\n{problem}".encode()).hexdigest(),
        walkthrough=_walkthrough(data.get("walkthrough"), written, wording),
        solvable=data["solvable"] if isinstance(data.get("solvable"), bool) else None,
        wording=wording,
        **Tables(parse_problem(problem)).compile(wording, task),
    )


def _walkthrough(commands: object, written: Wording, wording: Wording) -> tuple[str, ...] | None:
    if commands is None:
        return None
    if not isinstance(commands, list) or not all(isinstance(c, str) for c in commands):
        raise BadGame("the walkthrough is not a list of commands")
    if written is wording:
        return tuple(commands)
    return tuple(written.reword(command, wording) for command in commands)

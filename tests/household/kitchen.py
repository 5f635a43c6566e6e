"""A small made-up kitchen that holds every oddity of real games; see `kitchen.pddl`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cotgap.envs.household import Game, World, make_game

PROBLEM = (Path(__file__).parent / "kitchen.pddl").read_text(encoding="utf-8")
TASK = "put a clean mug in countertop."
WALKTHROUGH = (
    "go to cabinet 1",
    "open cabinet 1",
    "take mug 1 from cabinet 1",
    "go to sinkbasin 1",
    "clean mug 1 with sinkbasin 1",
    "go to countertop 2",
    "move mug 1 to countertop 2",
)


def kitchen(wording: str = "current", goal: str | None = None) -> Game:
    """The kitchen, with another goal if one is given in PDDL."""
    return make_game(with_goal(goal) if goal else PROBLEM, TASK, wording)


def with_goal(goal: str) -> str:
    """The kitchen's problem with another goal."""
    return f"{PROBLEM[: PROBLEM.index('(:goal')]}(:goal {goal}))"


def play(world: World, *commands: str) -> str:
    """Do all commands; every one must be valid. Returns the last feedback."""
    feedback = ""
    for command in commands:
        feedback = world.step(command)
        assert world.last_valid, command
    return feedback


def refused(world: World, commands: Iterable[str]) -> None:
    """Each command must be invalid and change nothing but that."""
    for command in commands:
        moves, admissible = world.moves, world.admissible()
        assert world.step(command) == "Nothing happens.", command
        assert not world.last_valid
        assert (world.moves, world.admissible()) == (moves, admissible)

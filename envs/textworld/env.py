"""The Gymnasium environment of TextWorld games."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium

from cotgap.envs.core import Outcome, Panel, Task, TextEnv
from cotgap.envs.textworld.rationale import ROOM, rationale
from cotgap.envs.textworld.store import Game
from cotgap.envs.textworld.story import Reply, Story, one_line, refusal
from cotgap.envs.textworld.tracking import Tracker, changes

SHORT = {
    "n": "go north",
    "s": "go south",
    "e": "go east",
    "w": "go west",
    "north": "go north",
    "south": "go south",
    "east": "go east",
    "west": "go west",
    "i": "inventory",
    "l": "look",
}
READ = "examine "


class TextWorldEnv(TextEnv):
    """TextWorld games in TextWorld's own interpreter.

    Observation: the game's text, the first one opening with the objective; the drawn title is left
    out and runs of blank lines are shortened. Score: the game's own over its maximum, within 0
    and 1. `won` and `lost`: the game says so. Admissible actions: TextWorld's.

    A command is `valid` if the game performs an action for it. It is not if the game does not know
    or understand the command, or if the action fails. Every action is one command on one line.
    Commands to the interpreter ("quit", "save", "restart", TextWorld's own "tw-…") and several
    commands at once ("go east. go east") get the game's answer to an unknown verb and change
    nothing.

    There are snapshots, but no `cost_to_go`: TextWorld's policy wins, but is not always shortest.
    `load(task)` returns the game of one of the panel's tasks.
    """

    def __init__(self, panel: Panel, load: Callable[[Task], Game], **options: Any) -> None:
        super().__init__(panel, **options)
        self._load_game = load
        self._game: Game | None = None
        self._story: Story | None = None
        self._tracker: Tracker | None = None
        self._events: tuple[str, ...] = ()
        self._points = 0
        self._readings: tuple[str, ...] = ()
        self._read: frozenset[str] = frozenset()
        self._room = ""

    @property
    def game(self) -> Game:
        """The game being played; raises `gymnasium.error.ResetNeeded` before a reset."""
        if self._game is None:
            raise gymnasium.error.ResetNeeded("call reset() before anything else")
        return self._game

    @property
    def goal(self) -> str:
        """The objective as the game states it."""
        return self.game.objective

    def _start(self, task: Task, seed: int) -> Outcome:
        reply = self._enter(self._load_game(task)).start()
        self._events, self._points = (), 0
        self._readings, self._read, self._room = (), frozenset(), reply.text
        return self._outcome(reply, valid=True)

    def _enter(self, game: Game) -> Story:
        """An interpreter for `game`: the current one if it plays that game, else a new one."""
        if self._story is None or game is not self._game:
            self.close()
            self._story, self._tracker, self._game = Story(game.story), Tracker(game), game
        return self._story

    def _act(self, action: str) -> Outcome:
        assert self._story is not None
        command = one_line(action)
        if refused := refusal(command):
            return self._outcome(Reply(refused, (), None, won=False, lost=False), valid=False)
        reply = self._story.send(command)
        self._events += changes(reply.events)
        valid = bool(reply.events)
        if valid and command.casefold().startswith(READ):
            self._readings += (reply.text,)
            self._read |= {self.canonical(command)}
        if ROOM.search(reply.text):
            self._room = reply.text
        return self._outcome(reply, valid=valid)

    def _outcome(self, reply: Reply, *, valid: bool) -> Outcome:
        if reply.score is not None:
            self._points = reply.score
        score = self._points / self.game.max_score
        return Outcome(reply.text, score, reply.won, reply.lost, valid)

    def admissible_actions(self) -> list[str]:
        """TextWorld's admissible commands, sorted."""
        return self._tracked.admissible(self._events)

    def expert_action(self) -> str:
        """TextWorld's policy, which knows the whole game; "look" where it knows no way to win.

        What its walkthrough reads (the cookbook) is read once, as soon as that is possible: the
        policy needs no recipe, but a model that learns from its episodes does.
        """
        tracked = self._tracked
        unread = [
            command
            for command in self.game.walkthrough
            if command.startswith(READ) and command not in self._read
        ]
        admissible = tracked.admissible(self._events) if unread else ()
        for command in unread:
            if command in admissible:
                return command
        return next(iter(tracked.policy(self._events)), "look")

    def rationale(self, action: str) -> str:
        """An argument from the goal, what was examined and the room last seen."""
        return rationale(one_line(action), self.goal, self._readings, self._room)

    def canonical(self, action: str) -> str:
        """White space, case and the usual abbreviations ("n", "i") do not matter."""
        command = one_line(action).casefold()
        return SHORT.get(command, command)

    def snapshot(self) -> tuple[Any, ...]:
        """The episode's state, with the interpreter's memory."""
        assert self._story is not None
        mine = (self._events, self._points, self._readings, self._read, self._room)
        return self._save(), self.game, self._story.save(), mine

    def restore(self, saved: tuple[Any, ...]) -> None:
        """Go back to a snapshot, of this or an earlier episode."""
        base, game, machine, mine = saved
        self._enter(game).load(machine)
        self._events, self._points, self._readings, self._read, self._room = mine
        self._load(base)

    def close(self) -> None:
        """Free the interpreter; a later `reset` makes another."""
        if self._story is not None:
            self._story.close()
        self._story = self._tracker = self._game = None

    @property
    def _tracked(self) -> Tracker:
        if self._tracker is None:
            raise gymnasium.error.ResetNeeded("call reset() before anything else")
        return self._tracker

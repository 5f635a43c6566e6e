"""What follows from a game's actions: the admissible commands, and TextWorld's own policy.

The game itself gives only its text and the actions that it performed. TextWorld replays these
actions on the game's facts. Here that is done only when it is first asked for.

Needs the extra `textworld`.
"""

from __future__ import annotations

from typing import Any

from cotgap.envs.textworld.store import Game

Events = tuple[str, ...]
IDLE = ("looking", "taking inventory", "examining ")


def changes(events: Events) -> Events:
    """The events that can change the world; the others are not replayed."""
    return tuple(event for event in events if not event.startswith(IDLE))


class Tracker:
    """Replays the events of one game's episodes, one episode after another."""

    def __init__(self, game: Game) -> None:
        self._game = game
        self._words: Any = game.words
        self._progress: Any = None
        self._events: Events = ()

    def admissible(self, events: Events) -> list[str]:
        """TextWorld's admissible commands after these events, sorted."""
        actions = self._at(events).valid_actions
        return sorted(set(self._words.gen_commands_from_actions(actions)))

    def policy(self, events: Events) -> list[str]:
        """TextWorld's winning commands; empty where the game is over or TextWorld cannot follow it.

        There may be a shorter list that wins.
        """
        actions = self._at(events).winning_policy
        return list(self._words.gen_commands_from_actions(actions or ()))

    def _at(self, events: Events) -> Any:
        from textworld.generator.game import GameProgression

        if not events:
            return self._game.opening
        known = len(self._events)
        if self._progress is None or events[:known] != self._events:
            self._progress, known = GameProgression(self._game.world), 0
        for event in events[known:]:
            action = self._words.detect_action(event, self._progress.valid_actions)
            if action is not None:
                self._progress.update(action)
        self._events = events
        return self._progress

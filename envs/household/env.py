"""The Gymnasium environment of household games, with every capability of `cotgap.envs.core`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium

from cotgap.envs.core import OBSERVATION_LENGTH, Outcome, Panel, Task, TextEnv
from cotgap.envs.household.belief import Belief, first_belief, updated
from cotgap.envs.household.engine import World
from cotgap.envs.household.expert import expert_action
from cotgap.envs.household.game import Game
from cotgap.envs.household.oracle import cost_to_go
from cotgap.envs.household.rationale import rationale
from cotgap.envs.household.wording import Wording
from cotgap.envs.spaces import TEXT_CHARSET, TextSpace


class History:
    """An episode's text so far: a command, its feedback, and the history before it.

    An episode's first history has no command, and its feedback is the text that the game opens
    with. Histories never change, so a snapshot only holds a reference. The belief is made when it
    is first asked for, from the nearest earlier belief.
    """

    __slots__ = ("_belief", "before", "command", "feedback")

    def __init__(self, before: History | None, command: str, feedback: str) -> None:
        self.before, self.command, self.feedback = before, command, feedback
        self._belief: Belief | None = None

    def belief(self, wording: Wording) -> Belief:
        """What the agent can know now."""
        pending: list[History] = []
        node = self
        while node._belief is None and node.before is not None:
            pending.append(node)
            node = node.before
        belief = node._belief or first_belief(wording, node.feedback)
        node._belief = belief
        for later in reversed(pending):
            belief = later._belief = updated(belief, later.command, later.feedback)
        return belief


class HouseholdEnv(TextEnv):
    """Household games as the stock engine plays them; see `cotgap.envs.household.engine`.

    Observation: the game's text. Reward: 1 when the game is won. `won`: the goal holds now.
    `load(task)` returns the game of one of the panel's tasks.
    """

    def __init__(self, panel: Panel, load: Callable[[Task], Game], **options: Any) -> None:
        super().__init__(panel, **options)
        self._load_game = load
        self._world: World | None = None
        self._history = History(None, "", "")

    @property
    def world(self) -> World:
        """The game being played; raises `gymnasium.error.ResetNeeded` before a reset."""
        if self._world is None:
            raise gymnasium.error.ResetNeeded("call reset() before anything else")
        return self._world

    def _start(self, task: Task, seed: int) -> Outcome:
        self._enter(self._load_game(task))
        text = self.world.reset()
        self._history = History(None, "", text)
        return Outcome(text, float(self.world.score), self.world.won)

    def _enter(self, game: Game) -> None:
        """Make `game` the one that is played."""
        if self._world is not None and self._world.game is game:
            return
        self._world = World(game)
        # Names and phrases are ASCII; a task sentence may hold any character.
        extra = frozenset(game.intro) - TEXT_CHARSET
        length = len(game.intro) + sum(len(name) + 8 for name in game.object_names)
        if extra or length > OBSERVATION_LENGTH:
            self.observation_space = TextSpace(max(length, OBSERVATION_LENGTH), extra)

    def _act(self, action: str) -> Outcome:
        world = self.world
        feedback = world.step(action)
        self._history = History(self._history, action, feedback)
        return Outcome(feedback, float(world.score), world.won, valid=world.last_valid)

    @property
    def goal(self) -> str:
        """The task sentence, as the game prints it."""
        return self.world.game.task

    def admissible_actions(self) -> list[str]:
        """Every valid command, sorted."""
        return self.world.admissible()

    def canonical(self, action: str) -> str:
        """Only white space around a command does not matter."""
        return action.strip()

    def snapshot(self) -> tuple[Any, ...]:
        """The episode's state, in constant time."""
        return self._save(), self.world.game, self.world.snapshot(), self._history

    def restore(self, saved: tuple[Any, ...]) -> None:
        """Go back to a snapshot, of this or an earlier episode."""
        base, game, state, self._history = saved
        self._enter(game)
        self.world.restore(state)
        self._load(base)

    @property
    def belief(self) -> Belief:
        """What the agent can know from the episode's text so far."""
        return self._history.belief(self.world.game.wording)

    def cost_to_go(self) -> int | None:
        """Fewest valid commands to the goal; 0 when it holds, None if there is no way."""
        return cost_to_go(self.world)

    def expert_action(self) -> str:
        """The expert's next command, from the episode's text alone."""
        return expert_action(self.belief)

    def rationale(self, action: str) -> str:
        """An argument for an action from what has been seen; the expert's own for its action."""
        return rationale(self.belief, action)

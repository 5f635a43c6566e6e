"""The Gymnasium environment of ScienceWorld tasks."""

from __future__ import annotations

import functools
import weakref
from typing import Any

from cotgap.envs.core import Outcome, Panel, Task, TaskUnavailableError, TextEnv
from cotgap.envs.scienceworld import actions
from cotgap.envs.scienceworld.java import Simulator, give_back, pool

# How the simulator begins an answer to what it could not take as one command.
REFUSALS = (
    "No known action matches that input.",
    "Ambiguous request:",
    "Unknown action.",
    "ERROR:",
)
TO_WIN = 100
NO_PLAN = "look around"


def split_id(task_id: str) -> tuple[str, int]:
    """(task name, variation) of a task id such as `boil/21`."""
    name, _, variation = task_id.rpartition("/")
    return name, int(variation)


class ScienceWorldEnv(TextEnv):
    """ScienceWorld as its package plays it.

    First observation: the task's description and what "look around" shows, as the package's users
    start an episode. Then: the simulator's answer to each command. Score: the simulator's current
    score, 0 to 100. A score below 0 means that the task is failed: the episode ends with a score of
    0, as in the package's own examples. `won`: the score is 100. Only the panel limits the steps.

    `valid` is False where the simulator finds no command in the action, or several. If it finds
    several, it asks which one is meant: the next action answers with a number, and any other
    action, such as the empty one, cancels the command.

    `admissible_actions()` are the simulator's "valid action-object combinations": over a hundred,
    and listing them takes longer than a step, so they are not listed unless asked for.
    """

    def __init__(self, panel: Panel, *, list_actions: bool = False, **options: Any) -> None:
        super().__init__(panel, list_actions=list_actions, **options)
        self._simulator: Simulator | None = None
        self._return: weakref.finalize[Any, ScienceWorldEnv] | None = None
        self._goal = ""
        self._taken: list[str] = []

    def _start(self, task: Task, seed: int) -> Outcome:
        simulator = self._own()
        name, variation = split_id(task.id)
        try:
            simulator.load(name, variation, self.panel.simplifications)
        except ValueError as error:
            raise TaskUnavailableError(f"{self.panel.name}: {task.id}: {error}") from error
        self._task = task.id
        self._goal = simulator.description()
        self._taken = []
        return self._outcome(simulator, f"{self._goal}\n\n{simulator.step('look around')}")

    def _act(self, action: str) -> Outcome:
        simulator = self._simulator
        assert simulator is not None
        answer = simulator.step(action.strip())
        self._taken.append(self.canonical(action))
        return self._outcome(simulator, answer, valid=not answer.startswith(REFUSALS))

    def _outcome(self, simulator: Simulator, text: str, *, valid: bool = True) -> Outcome:
        score = simulator.score()
        final = float(max(score, 0))
        return Outcome(text, final, won=score == TO_WIN, lost=score < 0, valid=valid)

    @property
    def goal(self) -> str:
        """The simulator's task description."""
        return self._goal

    def admissible_actions(self) -> list[str]:
        """The simulator's valid action-object combinations, sorted, one of each meaning."""
        assert self._simulator is not None
        listed = sorted(set(self._simulator.valid_actions()))
        return list({self.canonical(action): action for action in reversed(listed)}.values())[::-1]

    def canonical(self, action: str) -> str:
        """See `cotgap.envs.scienceworld.actions.canonical`."""
        return actions.canonical(action)

    def expert_action(self) -> str:
        """The first action of the simulator's gold path that has not been taken yet, in order.

        Other actions in between may make the rest of the path useless, and the simulator has no
        other plan. After the path's end the action is "look around".
        """
        plan = gold_path(self._task, self.panel.simplifications)
        followed = 0
        for action in self._taken:
            if followed < len(plan) and action == self.canonical(plan[followed]):
                followed += 1
        return plan[followed] if followed < len(plan) else NO_PLAN

    def rationale(self, action: str) -> str:
        """An argument from the goal, the last observation and what the command is good for."""
        return actions.rationale(self._goal, self._last.observation, action)

    def close(self) -> None:
        """Return the simulator to the pool; a later `reset()` takes one again."""
        if self._return is not None:
            self._return()
        self._simulator = self._return = None
        self._key = None
        super().close()

    def _own(self) -> Simulator:
        """This environment's simulator; takes one from the pool where it has none that works."""
        if self._simulator is None or not self._simulator.usable:
            self._simulator = pool().take()
            self._return = weakref.finalize(self, give_back, self._simulator)
            self._return.atexit = False
        return self._simulator


@functools.lru_cache(maxsize=512)
def gold_path(task_id: str, simplifications: str) -> tuple[str, ...]:
    """The simulator's own solution of a task; finding it takes seconds and another simulator."""
    simulator = pool().take()
    try:
        return simulator.gold_path(*split_id(task_id), simplifications)
    finally:
        give_back(simulator)

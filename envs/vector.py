"""Many environments at once, each on a task of its own."""

from __future__ import annotations

from typing import Any

import gymnasium
from gymnasium.vector import VectorEnv, VectorWrapper

from cotgap.envs.core import CoTGapError


class TaskVector(VectorWrapper[Any, Any, Any]):
    """Environments whose `reset(options={"task": [...]})` takes a task for each of them.

    A single task is started by all. Whoever ends starts a task that it draws, as every environment
    does. `reset` raises `CoTGapError` where there are not as many tasks as environments.
    """

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """See `VectorEnv.reset`."""
        several: Any = self.env  # the two kinds there are take more than their base class
        options = dict(options or {})
        if isinstance(tasks := options.get("task"), (list, tuple)):
            if len(tasks) != self.num_envs:
                raise CoTGapError(
                    f"{len(tasks)} tasks for {self.num_envs} environments: give one for each"
                )
            several.set_attr("next_task", list(options.pop("task")))
        found: tuple[Any, dict[str, Any]] = several.reset(seed=seed, options=options or None)
        return found


def make_vec(env_id: str, num_envs: int, **options: Any) -> VectorEnv[Any, Any, Any]:
    """`gymnasium.make_vec` with a task for each environment; see `TaskVector`."""
    return TaskVector(gymnasium.make_vec(env_id, num_envs=num_envs, **options))

"""Gymnasium text environments: suites of tasks with fixed, locked panels.

`import cotgap.envs` registers every suite with Gymnasium; `cotgap.envs.make("toy/id/0003")` opens
one task.
"""

from cotgap.envs.core import CoTGapError, Panel, Suite, TaskKey, TextEnv
from cotgap.envs.registry import get_panel, get_suite, make, register_all, suites
from cotgap.envs.vector import make_vec

register_all()

__all__ = [
    "CoTGapError",
    "Panel",
    "Suite",
    "TaskKey",
    "TextEnv",
    "get_panel",
    "get_suite",
    "make",
    "make_vec",
    "suites",
]

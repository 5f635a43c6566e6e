"""Finds suites, registers their Gymnasium ids, and opens panels and tasks."""

from __future__ import annotations

from typing import Any

import gymnasium

from cotgap.envs.core import CoTGapError, Panel, Suite, TaskKey, TextEnv, env_id
from cotgap.envs.plugins import Extensions

SUITES: Extensions[Suite] = Extensions(
    "suite",
    __package__,
    "SUITE",
    Suite,
    helpers=(
        "audits",
        "cache",
        "cli",
        "core",
        "expert",
        "files",
        "locks",
        "plugins",
        "registry",
        "schema",
        "spaces",
        "text",
        "vector",
    ),
)


def suites() -> dict[str, Suite]:
    """Every suite by name."""
    return SUITES.all()


def get_suite(name: str) -> Suite:
    """The suite of that name; imports no other suite. Raises `UnknownNameError`."""
    return SUITES.get(name, "`cotgap panels` lists all.")


def get_panel(name: str) -> Panel:
    """The panel written `suite/split`; raises `CoTGapError` on another form or an unknown name."""
    suite_name, slash, split = name.partition("/")
    suite = get_suite(suite_name)
    if not slash:
        options = ", ".join(f"{suite_name}/{known}" for known in suite.panels)
        raise CoTGapError(f"panel {name!r} lacks its split. Choose one of: {options}")
    return suite.panel(split)


def make(task_key: TaskKey | str, **options: Any) -> TextEnv:
    """An environment over the key's panel; `reset()` without arguments starts the key's task.

    Raises `CoTGapError` for a malformed key, an unknown name or an unusable suite.
    """
    key = TaskKey.parse(task_key) if isinstance(task_key, str) else task_key
    panel = get_suite(key.suite).panel(key.split)
    panel.task(key.task)
    env = get_suite(key.suite).make(panel, **options)
    env.default_key = key
    return env


def make_env(suite: str, split: str | None = None, **options: Any) -> TextEnv:
    """The Gymnasium entry point: `split` names the panel (the suite's first one by default)."""
    chosen = get_suite(suite)
    return chosen.make(None if split is None else chosen.panel(split), **options)


def register_all() -> None:
    """Register `cotgap/<Suite>-v0` for every suite (done on `import cotgap.envs`).

    No suite is imported before an environment of it is made.
    """
    for name in SUITES.names():
        gymnasium.register(env_id(name), entry_point=f"{__name__}:make_env", kwargs={"suite": name})

"""Finds suites among its siblings, registers their Gymnasium ids, and opens panels and tasks."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from pathlib import Path
from typing import Any

import gymnasium

from cotgap.envs.core import CoTGapError, Panel, Suite, TaskKey, TextEnv, UnknownNameError

# Siblings without a suite, not imported by the scan.
INFRASTRUCTURE = frozenset(
    {"audits", "cache", "cli", "core", "expert", "locks", "registry", "spaces"}
)


@functools.cache
def suites() -> dict[str, Suite]:
    """Every suite by name: each sibling module (or package) with a `SUITE` object."""
    found: dict[str, Suite] = {}
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name in INFRASTRUCTURE:
            continue
        suite = getattr(importlib.import_module(f"{__package__}.{module.name}"), "SUITE", None)
        if isinstance(suite, Suite):
            found[suite.name] = suite
    return dict(sorted(found.items()))


def get_suite(name: str) -> Suite:
    """The suite of that name; raises `UnknownNameError`."""
    try:
        return suites()[name]
    except KeyError:
        raise UnknownNameError("suite", name, suites(), "`cotgap panels` lists all.") from None


def get_panel(name: str) -> Panel:
    """The panel written `suite/split`; raises `CoTGapError` on another form or an unknown name."""
    suite, slash, split = name.partition("/")
    found = get_suite(suite)
    if not slash:
        options = ", ".join(f"{suite}/{known}" for known in found.panels)
        raise CoTGapError(f"panel {name!r} lacks its split. Choose one of: {options}")
    return found.panel(split)


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
    found = get_suite(suite)
    return found.make(None if split is None else found.panel(split), **options)


def register_all() -> None:
    """Register `cotgap/<Suite>-v0` for every suite (done on `import cotgap.envs`)."""
    for suite in suites().values():
        gymnasium.register(
            suite.env_id, entry_point="cotgap.envs.registry:make_env", kwargs={"suite": suite.name}
        )

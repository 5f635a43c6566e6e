"""Run folders to compare: played for real, or written with given outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cotgap.benchmark.records.config import PanelPlan, RunConfig
from cotgap.benchmark.records.episode import Status
from tests.benchmark.building import config_of, episode, write_folder
from tests.commands import cotgap

SPLIT = "id"


def play(folder: Path, agent: str, *args: str) -> Path:
    """A real run on the toy suite."""
    done = cotgap("run", "--agent", agent, "--panel", "toy/id", "--out", folder, "--quiet", *args)
    assert done.exit_code in (0, 3), done.output
    return folder


def config(tasks: Sequence[str], modes: Sequence[str], **changes: Any) -> RunConfig:
    plan = PanelPlan(f"toy/{SPLIT}", "lock", 50, len(tasks), tuple(tasks))
    return replace(config_of([plan], modes), **changes)


def outcomes(folder: Path, won: Mapping[str, Sequence[int | None]], **changes: Any) -> Path:
    """A run whose n-th task is won, lost or without a score (None) in each mode."""
    size = max(map(len, won.values()))
    tasks = [f"{number:04d}" for number in range(size)]
    statuses = {None: Status.BACKEND_ERROR, 0: Status.FAILURE, 1: Status.SUCCESS}
    episodes = [
        episode(task, mode, statuses[result])
        for mode, results in won.items()
        for task, result in zip(tasks, results, strict=True)
    ]
    return write_folder(folder, config(tasks, list(won), **changes), episodes)

"""Run folders to compare: played for real, or written with given outcomes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cotgap.agents.core import Sampling
from cotgap.benchmark.records.config import Limits, PanelPlan, RunConfig
from cotgap.benchmark.records.episode import Episode, Status
from tests.benchmark.building import episode
from tests.commands import cotgap

SPLIT = "id"


def play(folder: Path, agent: str, *args: str) -> Path:
    """A real run on the toy suite."""
    done = cotgap("run", "--agent", agent, "--panel", "toy/id", "--out", folder, "--quiet", *args)
    assert done.exit_code in (0, 3), done.output
    return folder


def config(tasks: Sequence[str], modes: Sequence[str], **changes: Any) -> RunConfig:
    plan = PanelPlan(f"toy/{SPLIT}", "lock", 50, len(tasks), tuple(tasks))
    made = RunConfig(
        agent={"name": "agent", "fingerprint": "f" * 64, "backend": "scripted"},
        protocol="tags-1",
        modes=tuple(modes),
        shadow="auto",
        panels=(plan,),
        repeats=1,
        sampling=Sampling(),
        limits=Limits(),
        seed=0,
    )
    return replace(made, **changes)


def write(folder: Path, settings: RunConfig, episodes: Sequence[Episode]) -> Path:
    """A run of these episodes, as a run writes it."""
    folder.mkdir(parents=True)
    content = {"digest": settings.digest, "config": settings.to_json(), "versions": [{}]}
    (folder / "run.json").write_text(json.dumps(content), encoding="utf-8")
    lines = "".join(json.dumps(e.to_json()) + "\n" for e in episodes)
    (folder / "episodes.jsonl").write_text(lines, encoding="utf-8")
    return folder


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
    return write(folder, config(tasks, list(won), **changes), episodes)

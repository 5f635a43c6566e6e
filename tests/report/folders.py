"""Run folders for tests, written as a run writes them, from episodes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from benchmark.records import Episode


def write_run(
    folder: Path,
    episodes: Sequence[Episode],
    *,
    name: str = "agent",
    extra_tasks: int = 0,
) -> Path:
    """A run of these episodes; `extra_tasks` were planned in each panel and not played."""
    panels = []
    for panel in dict.fromkeys(e.task_key.panel for e in episodes):
        of_panel = [e for e in episodes if e.task_key.panel == panel]
        tasks = list(dict.fromkeys(e.task_key.task for e in of_panel))
        tasks += [f"unplayed-{number}" for number in range(extra_tasks)]
        panels.append(
            {
                "name": panel,
                "lock": of_panel[0].lock,
                "step_limit": 50,
                "size": len(tasks) + 7,
                "tasks": tasks,
            }
        )
    config = {
        "agent": {"name": name, "fingerprint": "f" * 64, "backend": "scripted"},
        "protocol": "tags-1",
        "modes": list(dict.fromkeys(e.mode for e in episodes)),
        "panels": panels,
        "repeats": max(e.repeat for e in episodes) + 1,
    }
    folder.mkdir(parents=True)
    run = {"digest": "d" * 64, "config": config, "versions": [{}]}
    (folder / "run.json").write_text(json.dumps(run), encoding="utf-8")
    lines = [json.dumps(e.to_json()) + "\n" for e in episodes]
    (folder / "episodes.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder

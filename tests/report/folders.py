"""Folders for tests, as they are written: runs of episodes, probes of rows, sweeps of both."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cotgap.benchmark.probes.core import get_probe
from cotgap.benchmark.probes.running import PROBE, TASKS, ProbeConfig
from cotgap.benchmark.records.config import Limits, digest_of, plan_panel
from cotgap.benchmark.records.episode import Episode
from cotgap.envs.registry import get_panel
from tests.benchmark.building import TRAINED, config_of, modes_of, plans_of, write_folder

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
"""Panel → the rows of one of its tasks, which every visited task of it has."""


def write_run(
    folder: Path,
    episodes: Sequence[Episode],
    *,
    name: str = "agent",
    extra_tasks: int = 0,
) -> Path:
    """A run of these episodes; `extra_tasks` were planned in each panel and not played."""
    panels = [
        replace(plan, size=plan.size + 7) for plan in plans_of(episodes, unplayed=extra_tasks)
    ]
    agent = {"name": name, "fingerprint": "f" * 64, "backend": "scripted"}
    repeats = max(e.repeat for e in episodes) + 1
    config = config_of(panels, modes_of(episodes), agent=agent, repeats=repeats)
    return write_folder(folder, config, episodes)


def write_probe(
    folder: Path, probe: str, rows: Rows, *, name: str = "agent", left: int = 0
) -> Path:
    """A probe of the first five tasks of each panel, less `left` of the last one that were not."""
    plans = tuple(plan_panel(get_panel(panel), 5, None) for panel in rows)
    config = ProbeConfig(
        probe=probe,
        version=get_probe(probe).version,
        agent={"name": name, "fingerprint": "f" * 64},
        protocol="tags-1",
        panels=plans,
        states=4,
        mode="cot",
        limits=Limits(64, 448),
        seed=0,
    )
    keys = list(map(str, config.keys()))
    lines = [
        {"task_key": key, "rows": list(rows[key.rpartition("/")[0]]), "error": None}
        for key in keys[: len(keys) - left]
    ]
    folder.mkdir(parents=True)
    content = {"digest": config.digest, "config": config.to_json(), "versions": {}}
    (folder / PROBE).write_text(json.dumps(content), encoding="utf-8")
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / TASKS).write_text(text, encoding="utf-8")
    return folder


def write_sweep(
    folder: Path,
    runs: Mapping[str, Sequence[Episode]],
    probes: Mapping[str, Rows],
    *,
    panels: Sequence[str] = ("toy/id", "toy/ood_layout"),
    masked: Sequence[str] = (),
    trained: Mapping[str, Any] = TRAINED,
    tasks: int = 5,
) -> Path:
    """A sweep whose checkpoints are the keys of `runs`, at steps 4, 16, 64 and so on.

    The last of those that are not `masked` shares its step with the masked ones. A checkpoint
    without episodes was not begun.
    """
    plans = [plan_panel(get_panel(panel), tasks, None) for panel in panels]
    plain = [label for label in runs if label not in masked]
    steps = {label: 4 ** (number + 1) for number, label in enumerate(plain)}
    listed = [
        {
            "label": label,
            "series": "k=0.3" if label in masked else "k=0",
            "step": steps.get(label, max(steps.values())),
            "mask_fraction": 0.3 if label in masked else 0.0,
            "path": f"checkpoints/{label}",
            "trained_on": [trained],
        }
        for label in runs
    ]
    config = {
        "panels": [vars(plan) for plan in plans],
        "probes": list(probes),
        "states": 4,
        "limits": {"action_tokens": 64, "thought_tokens": 448, "timeout": None},
        "protocol": None,
        "seed": 0,
        "dtype": None,
    }
    folder.mkdir(parents=True)
    content = {"digest": digest_of(config), "config": config, "checkpoints": listed}
    (folder / "sweep.json").write_text(json.dumps(content), encoding="utf-8")
    for label, episodes in runs.items():
        if episodes:
            write_run(folder / "runs" / label, episodes, name=label)
            for probe, rows in probes.items():
                write_probe(folder / "probes" / label / probe, probe, rows, name=label)
    return folder

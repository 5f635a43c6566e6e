"""Episodes, and runs of them, for tests: made from the little that matters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cotgap.agents.core import Decision, Sampling, Usage
from cotgap.benchmark.records.config import Limits, PanelPlan, RunConfig
from cotgap.benchmark.records.episode import Episode, Status, StepRecord
from cotgap.envs.core import TaskKey

TRAINED = {"suite": "toy", "panel": "toy/train", "kinds": ["unlock"], "wording": "default"}
"""As a checkpoint's card says it: `toy/id` is then in-domain, `toy/ood_layout` is not."""


def decision(mode: str, action: str | None, tokens: int = 10) -> Decision:
    return Decision(
        mode=mode,
        action=action,
        thought=None,
        raw="" if action is None else f"<action>{action}</action>",
        parse_error="empty" if action is None else None,
        usage=Usage(10 * tokens, tokens, dropped_steps=tokens // 40),
    )


def step(
    mode: str,
    action: str | None,
    shadow: tuple[str, str | None] | None = None,
    costs: dict[str, int | None] | None = None,
    *,
    valid: bool = True,
    tokens: int = 10,
) -> StepRecord:
    """A state with the driver's decision, and another mode's as (mode, action)."""
    shadows = {} if shadow is None else {shadow[0]: decision(*shadow, tokens)}
    parsed = {mode: action, **({} if shadow is None else {shadow[0]: shadow[1]})}
    return StepRecord(
        observation="You see a door.",
        decision=decision(mode, action, tokens),
        reward=0.0,
        valid=valid and action is not None,
        shadows=shadows,
        canonical={name: text for name, text in parsed.items() if text is not None},
        cost_to_go=costs or {},
    )


def episode(
    task: str,
    mode: str,
    status: Status = Status.SUCCESS,
    steps: Sequence[StepRecord] | None = None,
    *,
    repeat: int = 0,
    score: float | None = None,
    split: str = "id",
    lock: str = "lock",
    protocol: str = "tags-1",
    fingerprint: str = "agent",
) -> Episode:
    if score is None and status.scored:
        score = float(status is Status.SUCCESS)
    return Episode(
        task_key=TaskKey("toy", split, task),
        lock=lock,
        fingerprint=fingerprint,
        protocol=protocol,
        mode=mode,
        repeat=repeat,
        status=status,
        score=score,
        steps=tuple([step(mode, "go")] if steps is None else steps),
        error=None if status.scored else "it broke",
    )


def random_run(seed: int, tasks: int = 12, repeats: int = 2) -> list[Episode]:
    """Both modes on every task: shadows, costs, parse errors, invalid actions, part scores."""
    rng = np.random.default_rng(seed)
    actions = ("go east", "go west", "take key")

    def random_step(mode: str) -> StepRecord:
        mine, other = (str(rng.choice(actions)) for _ in range(2))
        costs: dict[str, int | None] = {
            "state": 3,
            "prompt": int(rng.integers(1, 5)),
            "cot": None if rng.random() < 0.1 else int(rng.integers(1, 5)),
        }
        return step(
            mode,
            None if rng.random() < 0.2 else mine,
            ("prompt", other) if mode == "cot" else None,
            costs if mode == "cot" else None,
            valid=bool(rng.random() < 0.8),
            tokens=int(rng.integers(5, 50)),
        )

    return [
        episode(
            f"task-{number}",
            mode,
            Status(str(rng.choice(["success", "failure", "truncated"]))),
            [random_step(mode) for _ in range(rng.integers(1, 20))],
            repeat=repeat,
            score=float(rng.random()),
        )
        for number in range(tasks)
        for mode in ("prompt", "cot")
        for repeat in range(repeats)
    ]


def plans_of(
    episodes: Sequence[Episode], *, unplayed: int = 0, size: int | None = None, step_limit: int = 50
) -> tuple[PanelPlan, ...]:
    """What plans these episodes' tasks, in their order, and in each panel `unplayed` tasks more.

    A panel has `size` tasks, and without it just the planned ones.
    """
    plans = []
    for panel, lock in dict.fromkeys((e.task_key.panel, e.lock) for e in episodes):
        tasks = [e.task_key.task for e in episodes if e.task_key.panel == panel]
        tasks += [f"unplayed-{number}" for number in range(unplayed)]
        planned = tuple(dict.fromkeys(tasks))
        plans.append(PanelPlan(panel, lock, step_limit, size or len(planned), planned))
    return tuple(plans)


def config_of(panels: Sequence[PanelPlan], modes: Sequence[str], **changes: Any) -> RunConfig:
    """The configuration of a greedy run of a scripted agent, with changes to its fields."""
    made = RunConfig(
        agent={"name": "agent", "fingerprint": "f" * 64, "backend": "scripted"},
        protocol="tags-1",
        modes=tuple(modes),
        shadow="auto",
        panels=tuple(panels),
        repeats=1,
        sampling=Sampling(),
        limits=Limits(),
        seed=0,
    )
    return replace(made, **changes)


def modes_of(episodes: Sequence[Episode]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(e.mode for e in episodes))


def write_folder(folder: Path, config: RunConfig, episodes: Sequence[Episode]) -> Path:
    """The folder of a run of these episodes, as a run writes it."""
    folder.mkdir(parents=True)
    content = {"digest": config.digest, "config": config.to_json(), "versions": [{}]}
    (folder / "run.json").write_text(json.dumps(content), encoding="utf-8")
    lines = "".join(json.dumps(e.to_json()) + "\n" for e in episodes)
    (folder / "episodes.jsonl").write_text(lines, encoding="utf-8")
    return folder

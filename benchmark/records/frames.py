"""Runs as tidy pandas data frames."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from cotgap.agents.core import Decision
from cotgap.benchmark.records.episode import Episode, StepRecord
from cotgap.benchmark.records.store import read_episodes, read_run


class Frames(NamedTuple):
    """`episodes`: a row per episode. `steps`: a row per decision, executed or shadowed."""

    episodes: pd.DataFrame
    steps: pd.DataFrame


EPISODE_COLUMNS = (
    "panel task_key task kind mode repeat status scored success score n_steps prompt_tokens "
    "completion_tokens dropped_steps wall_seconds protocol fingerprint lock error"
).split()
STEP_COLUMNS = (
    "panel task_key driver repeat step mode executed action canonical thought raw parse_error "
    "finish_reason valid reward observation cost_to_go cost_after prompt_tokens completion_tokens "
    "seconds"
).split()


def load(folder: str | Path) -> Frames:
    """The episodes and steps of a run folder, finished or not.

    `steps.cost_to_go` is the oracle's distance to success (actions) at the state and `cost_after`
    after that row's action; both are missing where the suite has no oracle. `steps.valid` and
    `steps.reward` are missing for shadows, which are never executed. Raises `CoTGapError` where
    the folder is not a run or holds a damaged record.
    """
    path = Path(folder)
    read_run(path)
    episodes = read_episodes(path)
    rows = [_episode_row(episode) for episode in episodes]
    steps = [row for episode in episodes for row in _step_rows(episode)]
    return Frames(
        pd.DataFrame(rows, columns=EPISODE_COLUMNS), pd.DataFrame(steps, columns=STEP_COLUMNS)
    )


def _episode_row(episode: Episode) -> Mapping[str, Any]:
    return {
        "panel": episode.task_key.panel,
        "task_key": str(episode.task_key),
        "task": episode.task_key.task,
        "kind": episode.task_kind,
        "mode": episode.mode,
        "repeat": episode.repeat,
        "status": episode.status.value,
        "scored": episode.status.scored,
        "success": episode.success,
        "score": episode.score,
        "n_steps": len(episode.steps),
        "prompt_tokens": episode.usage.prompt_tokens,
        "completion_tokens": episode.usage.completion_tokens,
        "dropped_steps": episode.usage.dropped_steps,
        "wall_seconds": episode.wall_seconds,
        "protocol": episode.protocol,
        "fingerprint": episode.fingerprint,
        "lock": episode.lock,
        "error": episode.error,
    }


def _step_rows(episode: Episode) -> list[Mapping[str, Any]]:
    return [
        _decision_row(episode, number, step, decision)
        for number, step in enumerate(episode.steps)
        for decision in (step.decision, *step.shadows.values())
    ]


def _decision_row(
    episode: Episode, number: int, step: StepRecord, decision: Decision
) -> Mapping[str, Any]:
    executed = decision is step.decision
    return {
        "panel": episode.task_key.panel,
        "task_key": str(episode.task_key),
        "driver": episode.mode,
        "repeat": episode.repeat,
        "step": number,
        "mode": decision.mode,
        "executed": executed,
        "action": decision.action,
        "canonical": step.canonical.get(decision.mode),
        "thought": decision.thought,
        "raw": decision.raw,
        "parse_error": decision.parse_error,
        "finish_reason": decision.finish_reason,
        "valid": step.valid if executed else None,
        "reward": step.reward if executed else None,
        "observation": step.observation,
        "cost_to_go": step.cost_to_go.get("state"),
        "cost_after": step.cost_to_go.get(decision.mode),
        "prompt_tokens": decision.usage.prompt_tokens,
        "completion_tokens": decision.usage.completion_tokens,
        "seconds": decision.usage.seconds,
    }

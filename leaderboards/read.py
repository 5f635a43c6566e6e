"""Read a submission file, which is a stranger's: nothing of it is believed before it is checked.

The container's bounds are checked first (`cotgap.leaderboards.archive`), then each line's JSON,
then every field by its declaration (`cotgap.leaderboards.schema`), then what one field says of
another. All that is wrong is a `SubmissionError` that names the file, the line and the field.
Nothing here plays or decodes anything, and nothing is ever written.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import fields
from pathlib import Path
from typing import Any

from cotgap.benchmark.records.episode import Episode, StepRecord
from cotgap.envs.core import CoTGapError
from cotgap.envs.schema import shown
from cotgap.leaderboards.archive import lines_of
from cotgap.leaderboards.schema import (
    AgentFacts,
    Header,
    PlayedEpisode,
    Submission,
    SubmittedRun,
    other_agent,
)

MAX_EPISODES = 50_000  # in a file, and so also lines
MAX_FIELDS = 200  # of an object: the largest that is declared has 17
MAX_DIGITS = 20  # of a whole number: seeds have 63 bits; reading long numbers takes long


class SubmissionError(CoTGapError):
    """A file that is no submission; the message names the file, and the line and field in it."""


def read_submission(path: Path) -> Submission:
    """The content of a submission file; raises `SubmissionError` where it is none.

    What is returned has the declared form and is of one agent, but nobody has checked that any of
    it is true: see `cotgap.leaderboards.verify`.
    """
    try:
        return _read(path)
    except CoTGapError as error:
        raise SubmissionError(f"{path}: {error}") from error


def _read(path: Path) -> Submission:
    header: Header | None = None
    played: list[list[Episode]] = []
    for number, text in enumerate(lines_of(path), 1):
        try:
            check_json(text)
            if header is None:
                header = Header.parse(text, foreign=True)
                _check_header(header)
                played = [[] for _ in header.runs]
            elif number > MAX_EPISODES + 1:
                raise CoTGapError(f"more than {MAX_EPISODES:,} episodes")
            else:
                line = PlayedEpisode.parse(text, foreign=True)
                _check_episode(line.episode)
                if line.run >= len(played):
                    raise CoTGapError(f"run: {line.run} is not one of the {len(played)} runs")
                played[line.run].append(line.episode)
        except CoTGapError as error:
            raise CoTGapError(f"line {number}: {error}") from error
    if header is None:
        raise CoTGapError("no submission: empty")
    runs = tuple(
        SubmittedRun(run.digest, run.config, run.versions, run.hardware, tuple(episodes))
        for run, episodes in zip(header.runs, played, strict=True)
    )
    return Submission(header.entrant, runs)


def check_json(data: bytes) -> None:
    """Raise `CoTGapError` for JSON that two readers could understand in two ways, or at great cost.

    It must be in UTF-8, without repeated keys, NaN, infinities or huge numbers.
    """
    try:
        json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_distinct,
            parse_constant=_no_constant,
            parse_int=_short_int,
            parse_float=_finite,
        )
    except UnicodeDecodeError as error:
        raise CoTGapError(f"not UTF-8 ({error.reason})") from error
    except RecursionError:
        raise CoTGapError("nested too deep") from None
    except ValueError as error:
        raise CoTGapError(f"not JSON ({error})") from error


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MAX_FIELDS:
        raise ValueError(f"an object of {len(pairs)} fields")
    found = dict(pairs)
    if len(found) < len(pairs):
        times = Counter(name for name, _ in pairs)
        twice = next(name for name, count in times.items() if count > 1)
        raise ValueError(f"the key {shown(twice)} occurs twice in an object")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON's")


def _short_int(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:40]} is too large")
    return value


def _check_header(header: Header) -> None:
    """Each run says enough of its agent, all say the same of what decides its replies; no run or
    panel occurs twice, and no more episodes are planned than a file may hold.
    """
    first, total = header.runs[0].config.agent, 0
    known = {field.name for field in fields(AgentFacts)}
    for index, run in enumerate(header.runs):
        where, agent = f"runs[{index}].config", run.config.agent
        try:
            AgentFacts.from_json({k: v for k, v in agent.items() if k in known}, foreign=True)
        except CoTGapError as error:
            raise CoTGapError(f"{where}.agent: {error}") from error
        if name := other_agent(first, agent):
            raise CoTGapError(
                f"{where}.agent.{name}: {shown(agent.get(name))}, but in the first run "
                f"{shown(first.get(name))}: a submission is of one agent"
            )
        panels = [plan.name for plan in run.config.panels]
        if len(set(panels)) < len(panels) or not panels:
            raise CoTGapError(f"{where}.panels: lists a panel twice, or none")
        tasks = sum(len(plan.tasks) for plan in run.config.panels)
        total += tasks * run.config.repeats * len(run.config.modes)
    if total > MAX_EPISODES:
        raise CoTGapError(
            f"runs: {total:,} episodes are planned, where {MAX_EPISODES:,} are allowed"
        )
    if len({run.digest for run in header.runs}) < len(header.runs):
        raise CoTGapError("runs: holds a run twice (two digests are equal)")


def _check_episode(episode: Episode) -> None:
    """It has a score, and its steps are consistent."""
    if not episode.status.scored or episode.error is not None:
        raise CoTGapError(
            f"episode.status: {episode.status.value!r} is none of success, failure, truncated, or "
            "there is an error: what has no score cannot be in a complete run"
        )
    for index, step in enumerate(episode.steps):
        if problem := _inconsistency(step):
            raise CoTGapError(f"episode.steps[{index}].{problem}")


def _inconsistency(step: StepRecord) -> str:
    """A step says of every mode at most once what it decided, and all of it: metrics rely on it.

    A decision has an action or a parse error; there is a normal form of each action.
    """
    decisions = {step.decision.mode: step.decision}
    for mode, shadow in step.shadows.items():
        if mode in decisions or shadow.mode != mode:
            return f"shadows.{mode}: not the one decision in that mode"
        decisions[mode] = shadow
    for mode, decision in decisions.items():
        if (decision.action is None) != (decision.parse_error is not None):
            return f"decision: mode {mode} has an action and a parse error, or neither"
    acted = {mode for mode, decision in decisions.items() if decision.action is not None}
    if set(step.canonical) != acted:
        return (
            f"canonical: has {', '.join(step.canonical) or 'nothing'}, where the modes with an "
            f"action are {', '.join(sorted(acted)) or 'none'}"
        )
    if step.cost_to_go and set(step.cost_to_go) != {"state", *acted}:
        return "cost_to_go: not of the state and each mode with an action"
    return ""

"""Pack run folders of one agent into one submission file.

The same runs and the same entrant give the same bytes. `cotgap.leaderboards.read` reads it back.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cotgap.benchmark.records.config import RunConfig
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.records.store import read_episodes, read_run
from cotgap.benchmark.rollout.episode import Job
from cotgap.benchmark.rollout.runner import plan
from cotgap.envs.core import CoTGapError
from cotgap.envs.schema import Record
from cotgap.envs.text import to_json
from cotgap.leaderboards.archive import compressed
from cotgap.leaderboards.read import SubmissionError, read_submission
from cotgap.leaderboards.schema import (
    Header,
    PlayedEpisode,
    Submission,
    SubmittedRun,
    other_agent,
)

NAMED = 5  # missing episodes that a message names


def load_runs(folders: Sequence[Path], hardware: Mapping[str, str]) -> tuple[SubmittedRun, ...]:
    """Complete runs of one agent, as they were played.

    Raises `CoTGapError` where a folder is no run, is incomplete (saying what is missing) or is of
    another agent than the first.
    """
    if not folders:
        raise CoTGapError("no run was given: name at least one run folder")
    runs = tuple(_load(folder, hardware) for folder in folders)
    first = runs[0].config.agent
    for folder, run in zip(folders[1:], runs[1:], strict=True):
        agent = run.config.agent
        if name := other_agent(first, agent):
            raise CoTGapError(
                f"a submission is of one agent, but {folder} has the {name} {agent.get(name)!r}, "
                f"and {folders[0]} has {first.get(name)!r}. Submit them in files of their own"
            )
    return runs


def write_submission(path: Path, submission: Submission) -> None:
    """Write the file in one piece, and read it back.

    Raises `CoTGapError` where it cannot be written or could not be read back; there is no file
    then.
    """
    fresh = path.with_name(f"{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(packed(submission))
        read_submission(fresh)
        os.replace(fresh, path)
    except OSError as error:
        raise CoTGapError(f"cannot write {path}: {error}") from error
    except SubmissionError as error:
        raise CoTGapError(f"this cannot be submitted: {error}") from error
    finally:
        with contextlib.suppress(OSError):  # as where the name is none
            fresh.unlink()


def packed(submission: Submission) -> bytes:
    """The file's bytes."""
    return compressed(_lines(submission))


def _lines(submission: Submission) -> Iterator[bytes]:
    yield _line(Header(submission.entrant, submission.runs))
    for number, run in enumerate(submission.runs):
        for episode in run.episodes:
            yield _line(PlayedEpisode(number, episode))


def _line(record: Record) -> bytes:
    text = to_json(record.to_json(), sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8") + b"\n"


def _load(folder: Path, hardware: Mapping[str, str]) -> SubmittedRun:
    content = read_run(folder)
    try:
        config = RunConfig.from_json(content["config"])
    except CoTGapError as error:
        raise CoTGapError(f"{folder}: {error}") from error
    if config.to_json() != content["config"] or config.digest != content.get("digest"):
        raise CoTGapError(f"{folder}: its run.json was changed after the run (another digest)")
    return SubmittedRun(
        digest=config.digest,
        config=config,
        versions=tuple(content["versions"]),
        hardware=hardware,
        episodes=_complete(folder, config),
    )


def _complete(folder: Path, config: RunConfig) -> tuple[Episode, ...]:
    """The planned episodes in the order of the plan, if every one has a score."""
    jobs = plan(config)
    played = {episode.id: episode for episode in read_episodes(folder)}
    if lacking := [j for j in jobs if j.id not in played or not played[j.id].status.scored]:
        raise CoTGapError(_what_lacks(folder, lacking, played))
    return tuple(played[job.id] for job in jobs)


def _what_lacks(
    folder: Path, lacking: Sequence[Job], played: Mapping[tuple[str, str, int], Episode]
) -> str:
    """Which episodes a run lacks, by panel and mode, and why."""
    groups: Counter[tuple[str, str, str]] = Counter()
    for job in lacking:
        episode = played.get(job.id)
        why = "not played" if episode is None else episode.status.value
        groups[job.task_key.panel, job.mode, why] += 1
    lines = [f"  {panel}, mode {mode}: {n} {why}" for (panel, mode, why), n in groups.items()]
    named = [f"  {job.task_key} (mode {job.mode}, repeat {job.repeat})" for job in lacking[:NAMED]]
    if len(lacking) > NAMED:
        named.append(f"  and {len(lacking) - NAMED} more")
    return "\n".join(
        [
            f"{folder} is incomplete: {len(lacking)} episodes have no score.",
            *lines,
            "The first of them:",
            *named,
            f"Run the command that wrote {folder} again: it plays what is missing.",
        ]
    )

"""What a larger study would take, from what a run took: `cotgap scale RUN`.

See `docs/scale.md` for the formula and for what makes the figures right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.records.sessions import Session
from cotgap.benchmark.records.store import read_episodes, read_sessions
from cotgap.envs.core import CoTGapError


@dataclass(frozen=True)
class Study:
    """`games` played in each of `modes` modes by each of `checkpoints` checkpoints."""

    games: int
    checkpoints: int
    modes: int

    @property
    def episodes(self) -> int:
        """All of them."""
        return self.games * self.checkpoints * self.modes


def seconds_per_episode(sessions: Sequence[Session]) -> float:
    """Worker seconds an episode; raises `CoTGapError` where none was played."""
    episodes = sum(session.episodes for session in sessions)
    if not episodes:
        raise CoTGapError("this run says nothing about time: no session of it ended an episode")
    return sum(session.worker_seconds for session in sessions) / episodes


def tokens(episodes: Sequence[Episode]) -> tuple[float, float]:
    """Tokens that were read and that were written, an episode; shadows count, and cached do not.

    Raises `CoTGapError` where no episode was played.
    """
    if not episodes:
        raise CoTGapError("this run holds no episode")
    steps = [step for episode in episodes for step in episode.steps]
    spent = [d.usage for step in steps for d in (step.decision, *step.shadows.values())]
    read = sum(usage.prompt_tokens - usage.cached_tokens for usage in spent)
    written = sum(usage.completion_tokens for usage in spent)
    return read / len(episodes), written / len(episodes)


def worker_hours(study: Study, sessions: Sequence[Session], start_seconds: float = 0.0) -> float:
    """Hours on one worker; `start_seconds` is what a worker takes to load a checkpoint."""
    playing = study.episodes * seconds_per_episode(sessions)
    return (playing + study.checkpoints * start_seconds) / 3600


def show(
    run: Path,
    *,
    games: int = 10_000,
    checkpoints: int = 20,
    modes: int = 2,
    workers: int = 8,
    start_seconds: float = 0.0,
) -> None:
    """Print what a run's sessions measured, and what follows for a study on `workers` workers.

    `run` is the folder of a run of the model and GPU in question; a worker takes `start_seconds`
    to load a checkpoint. Raises `CoTGapError` for a folder that is no run or has no episode.
    """
    sessions = read_sessions(run)
    study = Study(games, checkpoints, modes)
    each = seconds_per_episode(sessions)
    for session in sessions:
        parts = ", ".join(f"{part} {share:.1%}" for part, share in session.shares())
        print(
            f"measured: {session.episodes} episodes, {session.steps} steps, "
            f"{session.worker_seconds:.1f} worker seconds ({parts})"
        )
    hours = worker_hours(study, sessions, start_seconds)
    read, written = tokens(read_episodes(run))
    print(
        f"an episode takes {each:.3g} worker seconds, reads {read:,.0f} tokens and writes "
        f"{written:,.0f}"
    )
    print(
        f"{study.games:,} games × {study.modes} modes × {study.checkpoints} checkpoints are "
        f"{study.episodes:,} episodes: {hours:,.1f} worker hours, "
        f"{hours / workers:,.1f} hours on {workers} workers"
    )

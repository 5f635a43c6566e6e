"""What a larger study would take, from what a run took: `python -m cotgap.benchmark.scale RUN`.

See `docs/scale.md` for the formula and for what makes the figures right.
"""

from __future__ import annotations

import argparse
import sys
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


def main() -> None:
    """Print what was measured, and what follows for the study."""
    parser = argparse.ArgumentParser(
        prog="python -m cotgap.benchmark.scale",
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("run", type=Path, help="a run's folder, of the model and GPU in question")
    parser.add_argument("--games", type=int, default=10_000, help="of the study")
    parser.add_argument("--checkpoints", type=int, default=20, help="of the study")
    parser.add_argument("--modes", type=int, default=2, help="in which each is played")
    parser.add_argument("--workers", type=int, default=8, help="GPUs, with a worker on each")
    parser.add_argument("--start-seconds", type=float, default=0.0, help="to load a checkpoint")
    options = parser.parse_args()
    sessions = read_sessions(options.run)
    study = Study(options.games, options.checkpoints, options.modes)
    each = seconds_per_episode(sessions)
    for session in sessions:
        parts = ", ".join(f"{part} {share:.1%}" for part, share in session.shares())
        print(
            f"measured: {session.episodes} episodes, {session.steps} steps, "
            f"{session.worker_seconds:.1f} worker seconds ({parts})"
        )
    hours = worker_hours(study, sessions, options.start_seconds)
    read, written = tokens(read_episodes(options.run))
    print(
        f"an episode takes {each:.3g} worker seconds, reads {read:,.0f} tokens and writes "
        f"{written:,.0f}"
    )
    print(
        f"{study.games:,} games × {study.modes} modes × {study.checkpoints} checkpoints are "
        f"{study.episodes:,} episodes: {hours:,.1f} worker hours, "
        f"{hours / options.workers:,.1f} hours on {options.workers} workers"
    )


if __name__ == "__main__":
    try:
        main()
    except CoTGapError as error:
        sys.exit(f"error: {error}")

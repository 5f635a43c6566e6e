"""What a run took: one `Session` for each time that it was started, kept in `run.json`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cotgap.benchmark.records.episode import Episode
from cotgap.envs.schema import Record


@dataclass(frozen=True)
class Session(Record):
    """What was played from a start to its end, and what the wall time went to.

    `seconds` is wall time, from the first episode's start, on `workers` agents at the same time.
    `model` and `environments` are wall seconds summed over the workers: in the backend, and in
    environments or waiting for them. What is left of `worker_seconds` is our own code, and on
    several workers also the engine's and what a worker waited for others at the end.

    Of a session that was `killed`, all that is known comes from the episodes that it wrote.
    """

    engine: str
    workers: int
    episodes: int
    steps: int
    seconds: float
    model: float
    environments: float
    killed: bool = False

    @property
    def worker_seconds(self) -> float:
        """Wall seconds summed over workers."""
        return self.workers * self.seconds

    def shares(self) -> Iterator[tuple[str, float]]:
        """What share of the worker seconds each part took; the shares add up to 1."""
        model = self.model / self.worker_seconds
        environments = self.environments / self.worker_seconds
        yield from {
            "model": model,
            "environments": environments,
            "own code": 1 - model - environments,
        }.items()


@dataclass(frozen=True)
class Begun(Record):
    """A session that has not ended, or was killed: `begun` is the time in seconds of the epoch."""

    engine: str
    workers: int
    begun: float

    def account(self, episodes: Sequence[Episode], written: float) -> Session:
        """What its episodes say of it, of which the last was `written` at that time.

        Episodes at the same time wait for the same model: what they add up to beyond the wall time
        is shared out in proportion.
        """
        walls = [episode.wall_seconds for episode in episodes]
        # Times of files change when a folder is copied; some episode is always being played.
        seconds = min(max(written - self.begun, *walls), sum(walls))
        steps = [step for episode in episodes for step in episode.steps]
        decisions = [one for step in steps for one in (step.decision, *step.shadows.values())]
        model = sum(decision.usage.seconds for decision in decisions)
        environments = sum(step.env_seconds for step in steps)
        environments += sum(episode.reset_seconds for episode in episodes)
        share = min(1.0, self.workers * seconds / max(model + environments, 1e-9))
        return Session(
            self.engine,
            self.workers,
            len(episodes),
            len(steps),
            seconds,
            share * model,
            share * environments,
            killed=True,
        )

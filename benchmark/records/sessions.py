"""What a run took: one `Session` for each time that it was started, kept in `run.json`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cotgap.envs.schema import Record


@dataclass(frozen=True)
class Session(Record):
    """What was played from a start to its end, and what the wall time went to.

    `seconds` is wall time, from the first episode's start, on `workers` agents at the same time.
    `model` and `environments` are wall seconds summed over the workers: in the backend, and in
    environments or waiting for them. What is left of `worker_seconds` is our own code, and on
    several workers also the engine's and what a worker waited for others at the end.
    """

    engine: str
    workers: int
    episodes: int
    steps: int
    seconds: float
    model: float
    environments: float

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

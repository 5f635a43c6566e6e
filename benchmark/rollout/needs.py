"""What plays: a generator that yields what it needs, and is sent the answer by a scheduler.

An episode, a probe's visit, an expert's game: each is a `Rollout`, whose `play` knows nothing of
batches, processes, retries or clocks (`cotgap.benchmark.rollout.scheduler` does).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from cotgap.agents.core import Request
from cotgap.benchmark.records.episode import Status
from cotgap.benchmark.rollout.turns import Ask
from cotgap.envs.core import TaskKey

R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Think:
    """Requests to the agent; the answer is the list of their `Decision`s, in order."""

    requests: Sequence[Request]


@dataclass(frozen=True, slots=True)
class Do:
    """A question to the environment, which may live in another process; the answer is its answer.

    Between two questions of one play nobody else touches its environment.
    """

    ask: Ask


@dataclass(frozen=True, slots=True)
class Together:
    """Plays that do not wait for each other; the answer is the list of what they return, in order.

    Each part has an environment of its own, in whatever state others left it. The environment of
    the play that yields this is given up, too: what it asks afterwards, it asks another one.
    """

    parts: Sequence[Play]


Play = Generator[Think | Do | Together, Any, Any]
"""A play in progress; it returns the rollout's result."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a rollout did not end by itself: one of the unscored statuses, and what to tell."""

    status: Status
    text: str


class Rollout(Protocol[R_co]):
    """Something to be played once, in an environment of its key's panel."""

    @property
    def key(self) -> TaskKey:
        """The task whose panel the environment is opened over."""

    def play(self) -> Play:
        """A fresh play, which returns the result."""

    def failed(self, failure: Failure) -> R_co:
        """The result where `play` was given up."""

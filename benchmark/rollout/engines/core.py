"""What every engine is: a site where an agent is, and where a run's episodes are played.

An engine is one sibling module with a `SITE`, a function (or class) that takes an `AgentRecipe` and
a `Placement` and returns a `Site`; its name on the command line is the module's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Literal, Protocol

from cotgap.agents.agent import Agent, AgentCard
from cotgap.agents.specs import make_agent
from cotgap.benchmark.records.config import RunConfig
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.rollout.budget import Budget
from cotgap.benchmark.rollout.episode import Job


@dataclass(frozen=True)
class AgentRecipe:
    """How to make an agent, here or elsewhere: `make_agent(spec, **options)`."""

    spec: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def make(self) -> Agent:
        """A new agent; raises what `make_agent` raises."""
        return make_agent(self.spec, **self.options)


@dataclass(frozen=True)
class Placement:
    """Where agents are, for engines that have more than one place; None: see the engine."""

    address: str | None = None
    workers: int | None = None
    gpus_per_worker: float | None = None


@dataclass(frozen=True)
class Order:
    """What is to be played and how, beyond the jobs; can be sent elsewhere.

    Each agent plays `width` episodes at a time. Environments that are costly step in `env_workers`
    processes beside each agent (None: as many as the machine has processors). Nothing more is
    played once `budget` is spent.
    """

    config: RunConfig
    width: int
    env_workers: int | None = None
    budget: Budget = field(default_factory=Budget)


@dataclass
class Times:
    """Wall seconds that went to the model and to environments (waiting for them included)."""

    model: float = 0.0
    environments: float = 0.0

    @contextmanager
    def of(self, what: Literal["model", "environments"]) -> Iterator[None]:
        """Add what a block takes."""
        begun = perf_counter()
        try:
            yield
        finally:
            setattr(self, what, getattr(self, what) + perf_counter() - begun)

    def __add__(self, other: Times) -> Times:
        return Times(self.model + other.model, self.environments + other.environments)


class Site(Protocol):
    """Where a run is played. Close it when done, and whatever happened.

    `card` says who acts there, on `workers` agents alike. `times` grows while jobs are played: the
    sum over all of them.
    """

    card: AgentCard
    workers: int
    times: Times

    def play(
        self, order: Order, jobs: Sequence[Job], on_step: Callable[[], None]
    ) -> Iterator[Episode]:
        """Play all jobs; yields each episode as it ends, in no particular order.

        Failures of an environment or a backend become records; a mistake of the caller's is raised
        as `CoTGapError`. `on_step` is called once for each step. Left early, what is in flight is
        dropped.
        """

    def close(self) -> None:
        """Free all there is."""

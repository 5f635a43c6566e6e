"""What every engine is: a site where an agent is, and where an order's jobs are played.

An engine is one sibling module with a `SITE`, a function (or class) that takes an `AgentRecipe` and
a `Placement` and returns a `Site`; its name on the command line is the module's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from cotgap.agents.agent import Agent, AgentCard
from cotgap.agents.specs import make_agent
from cotgap.benchmark.records.config import PanelPlan
from cotgap.benchmark.rollout.budget import Budget
from cotgap.benchmark.rollout.needs import Failure, Rollout
from cotgap.benchmark.rollout.scheduler import Times


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


class Job(Protocol):
    """Something to be played once."""

    @property
    def id(self) -> tuple[str, str, int] | str:
        """What no other job of an order has, and what its result has, too."""


class Result(Protocol):
    """What comes of a job."""

    @property
    def id(self) -> tuple[str, str, int] | str:
        """The job's."""


J = TypeVar("J", bound=Job)
R = TypeVar("R", bound=Result)
J_contra = TypeVar("J_contra", bound=Job, contravariant=True)
R_co = TypeVar("R_co", bound=Result, covariant=True)


class Rules(Protocol[J_contra, R_co]):
    """How jobs of one kind are played: a run's episodes, a probe's visits. Can be pickled."""

    @property
    def panels(self) -> Sequence[PanelPlan]:
        """What environments are opened over, with their step limits."""

    @property
    def timeout(self) -> float | None:
        """Seconds that a job may take."""

    def rollout(self, job: J_contra, agent: Agent) -> Rollout[R_co]:
        """What plays a job, with an agent at hand."""

    def lost(self, job: J_contra, card: AgentCard, failure: Failure) -> R_co:
        """The result of a job that was lost with the place where it was played."""


@dataclass(frozen=True)
class Order(Generic[J, R]):
    """What is to be played and how, beyond the jobs; can be sent elsewhere.

    Each agent plays `width` jobs at a time. Environments that are costly step in `env_workers`
    processes beside each agent (None: as many as the machine has processors). Nothing more is
    played once `budget` is spent.
    """

    rules: Rules[J, R]
    width: int
    env_workers: int | None = None
    budget: Budget = field(default_factory=Budget)


class Site(Protocol):
    """Where jobs are played. Close it when done, and whatever happened.

    `card` says who acts there, on `workers` agents alike. `times` grows while jobs are played: the
    sum over all of them.
    """

    card: AgentCard
    workers: int
    times: Times

    def play(
        self, order: Order[J, R], jobs: Sequence[J], on_step: Callable[[], None]
    ) -> Iterator[R]:
        """Play all jobs; yields each result as it is there, in no particular order.

        Failures of an environment or a backend become results; a mistake of the caller's is raised
        as `CoTGapError`. `on_step` is called at each state that was decided on. Left early, what is
        in flight is dropped.
        """

    def close(self) -> None:
        """Free all there is."""

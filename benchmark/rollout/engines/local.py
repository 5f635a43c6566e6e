"""The agent is in this process, and what it plays is scheduled here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from cotgap.agents.agent import Agent, AgentCard
from cotgap.benchmark.rollout.engines.core import AgentRecipe, J, Order, Placement, R
from cotgap.benchmark.rollout.scheduler import Scheduler, Times
from cotgap.benchmark.rollout.workers import Environments, processors
from cotgap.envs.core import CoTGapError
from cotgap.envs.registry import get_suite


class LocalSite:
    """One agent, `agent`, which is closed with the site."""

    workers = 1

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.card: AgentCard = agent.card()
        self.times = Times()

    def play(
        self, order: Order[J, R], jobs: Sequence[J], on_step: Callable[[], None]
    ) -> Iterator[R]:
        """See `Site`."""
        scheduler = scheduler_for(self.agent, order, on_step)
        self.times = scheduler.times
        yield from scheduler.run(order.rules.rollout(job, self.agent) for job in jobs)

    def close(self) -> None:
        """Free what the agent holds."""
        self.agent.close()


def open_local(recipe: AgentRecipe, placement: Placement) -> LocalSite:
    """Make the agent here; raises `CoTGapError` where it is wanted anywhere else."""
    if placement != Placement():
        raise CoTGapError(
            "--ray-address, --workers and --gpus-per-worker are for --engine ray; leave them "
            "out, or choose that engine"
        )
    return LocalSite(recipe.make())


SITE = open_local


def scheduler_for(agent: Agent, order: Order[J, R], on_step: Callable[[], None]) -> Scheduler[R]:
    """What plays an order's jobs with an agent in this process."""
    limits = {plan.name: plan.step_limit for plan in order.rules.panels}
    return Scheduler(
        agent,
        Environments(limits, agent.protocol.admissible),
        width=order.width,
        env_workers=_env_workers(order),
        costly=lambda key: get_suite(key.suite).costly,
        timeout=order.rules.timeout,
        budget=order.budget,
        on_step=on_step,
    )


def _env_workers(order: Order[J, R]) -> int:
    """As many as there are processors, where there is anything to do at the same time."""
    if order.env_workers is not None:
        return order.env_workers
    return processors() if order.width > 1 and processors() > 1 else 0

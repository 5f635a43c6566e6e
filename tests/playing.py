"""Play jobs with an agent in this process, without a run's folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cotgap.agents.agent import Agent
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.rollout.episode import Decoding, EpisodeRollout, Job
from cotgap.benchmark.rollout.scheduler import Scheduler
from cotgap.benchmark.rollout.workers import OpenEnv


def played(
    agent: Agent, jobs: Sequence[Job], decoding: Decoding, open_env: OpenEnv, **options: Any
) -> Iterator[Episode]:
    """Every episode as it ends; `options` are the scheduler's."""
    scheduler: Scheduler[Episode] = Scheduler(agent, open_env, **options)
    return scheduler.run(EpisodeRollout(job, agent, decoding) for job in jobs)

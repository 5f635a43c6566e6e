"""Play one episode. Pure: no files, no registry, no clock but for timings.

`play` is a generator: it yields the requests of one state (the driver's first, then the shadows')
and is sent their decisions, so that a caller can batch many episodes through one model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from time import perf_counter

from agents.agent import Agent
from agents.core import NO_USAGE, Decision, Request, Sampling, Usage
from agents.modes import get_mode
from agents.prompts import Shot
from benchmark.config import Limits
from benchmark.records import Episode, Status, StepRecord
from envs.core import Canonical, Oracle, Snapshots, TaskKey, TextEnv

NO_ACTION = ""  # what an environment is given when a reply held no action
Play = Generator[list[Request], list[Decision], Episode]


@dataclass(frozen=True)
class Job:
    """One episode to be played: `repeat` counts from 0, `shadows` are recorded at every state."""

    task_key: TaskKey
    lock: str
    mode: str
    shadows: tuple[str, ...]
    repeat: int
    kind: str = ""
    """The task's kind, for the record."""

    @property
    def id(self) -> tuple[str, str, int]:
        """Matches `Episode.id`."""
        return str(self.task_key), self.mode, self.repeat


@dataclass(frozen=True)
class Decoding:
    """How every decision of a run is decoded."""

    sampling: Sampling
    limits: Limits
    seed: int


def play(
    env: TextEnv,
    job: Job,
    agent: Agent,
    decoding: Decoding,
    shots: Sequence[Shot],
    steps: list[StepRecord],
) -> Play:
    """One episode as a generator of requests; its return value is the record.

    `steps` is filled as they are taken, so that they outlive an episode that fails.
    """
    begun = perf_counter()
    observation, info = env.reset(seed=job.task_key.seed, options={"task": job.task_key.task})
    reset_seconds = perf_counter() - begun
    limits = decoding.limits
    # The same room for every mode, so that all see the same prompt at the same state.
    reserve = limits.action_tokens + limits.thought_tokens
    dialogue = agent.dialogue(env.instructions, shots, reserve=reserve, example=env.panel.example)
    status = Status.SUCCESS if info["won"] else None
    while status is None:
        dialogue.observe(observation, info.get("admissible_actions"))
        decisions = yield [
            dialogue.request(
                mode,
                env=env,
                sampling=decoding.sampling,
                seed=request_seed(decoding.seed, job, len(steps), mode),
                cache_key="|".join(map(str, job.id)),
                max_new_tokens=budget(mode, limits),
            )
            for mode in (job.mode, *job.shadows)
        ]
        driver, shadows = decisions[0], decisions[1:]
        canonical = _canonical(env, decisions)
        costs = _costs(env, decisions, canonical) if shadows else {}
        stepped = perf_counter()
        after, reward, terminated, truncated, info = env.step(driver.action or NO_ACTION)
        steps.append(
            StepRecord(
                observation=observation,
                decision=driver,
                reward=reward,
                valid=info["valid"],
                shadows={shadow.mode: shadow for shadow in shadows},
                canonical=canonical,
                cost_to_go=costs,
                env_seconds=perf_counter() - stepped,
            )
        )
        dialogue.act(driver.action, driver.thought)
        observation = after
        if terminated:
            status = Status.SUCCESS if info["won"] else Status.FAILURE
        elif truncated:
            status = Status.TRUNCATED
    return finish(
        job,
        agent,
        steps,
        status,
        begun,
        score=info["score"],
        goal=env.goal,
        final=observation,
        reset_seconds=reset_seconds,
    )


def finish(
    job: Job,
    agent: Agent,
    steps: Sequence[StepRecord],
    status: Status,
    begun: float,
    *,
    score: float | None = None,
    goal: str = "",
    final: str = "",
    error: str | None = None,
    reset_seconds: float = 0.0,
) -> Episode:
    """The record of an episode that has ended, in whatever way (`begun` by `perf_counter`)."""
    usage: Usage = sum((step.decision.usage for step in steps), NO_USAGE)
    return Episode(
        task_key=job.task_key,
        lock=job.lock,
        fingerprint=agent.fingerprint,
        protocol=str(agent.protocol),
        mode=job.mode,
        repeat=job.repeat,
        status=status,
        score=score,
        steps=tuple(steps),
        final_observation=final,
        task_kind=job.kind,
        goal=goal,
        error=error,
        usage=usage,
        reset_seconds=reset_seconds,
        wall_seconds=perf_counter() - begun,
    )


def request_seed(seed: int, job: Job, step: int, mode: str) -> int:
    """A 63-bit sampling seed that depends on the decision alone, not on batches or order."""
    text = f"{seed}|{job.task_key}|{job.mode}|{job.repeat}|{step}|{mode}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def budget(mode: str, limits: Limits) -> int:
    """How many tokens a mode may write."""
    return limits.action_tokens + (limits.thought_tokens if get_mode(mode).thinks else 0)


def _canonical(env: TextEnv, decisions: Sequence[Decision]) -> dict[str, str]:
    normal = env.canonical if isinstance(env, Canonical) else str.strip
    return {d.mode: normal(d.action) for d in decisions if d.action is not None}


def _costs(
    env: TextEnv, decisions: Sequence[Decision], canonical: dict[str, str]
) -> dict[str, int | None]:
    """The oracle's distance here and after each decision, every one from the same state."""
    if not (isinstance(env, Oracle) and isinstance(env, Snapshots)):
        return {}
    saved = env.snapshot()
    costs: dict[str, int | None] = {"state": env.cost_to_go()}
    after: dict[str, int | None] = {}
    for decision in decisions:
        if decision.action is None:
            continue
        normal = canonical[decision.mode]
        if normal not in after:
            env.step(decision.action)
            after[normal] = env.cost_to_go()
            env.restore(saved)
        costs[decision.mode] = after[normal]
    return costs

"""Play one episode: at each state the driver decides, then the shadows, and the driver's action is
taken.

Pure: no files, no environment at hand, no clock but for timings. Whatever it needs, it yields.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

from cotgap.agents.agent import Agent, AgentCard
from cotgap.agents.core import NO_USAGE, Decision, Request, Sampling, Usage
from cotgap.agents.modes import get_mode
from cotgap.agents.prompts import Dialogue, Shot
from cotgap.benchmark.records.config import Limits, PanelPlan, RunConfig
from cotgap.benchmark.records.episode import Episode, Status, StepRecord
from cotgap.benchmark.rollout.needs import Do, Failure, Play, Think
from cotgap.benchmark.rollout.shots import shot_source
from cotgap.benchmark.rollout.turns import Start, Turn, start, turn
from cotgap.envs.core import TaskKey


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


class EpisodeRollout:
    """An episode to be played; `shots` gives the examples that precede a task."""

    def __init__(
        self,
        job: Job,
        agent: Agent,
        decoding: Decoding,
        shots: Callable[[TaskKey], Sequence[Shot]] = lambda key: (),
    ) -> None:
        self._job, self._agent, self._decoding, self._shots = job, agent, decoding, shots
        self._steps: list[StepRecord] = []  # they outlive an episode that fails
        self._begun = perf_counter()

    @property
    def key(self) -> TaskKey:
        """The task."""
        return self._job.task_key

    def play(self) -> Play:
        """The episode from its reset to its end; returns the record."""
        job, agent, decoding, steps = self._job, self._agent, self._decoding, self._steps
        shots = self._shots(job.task_key)
        opening: Start = yield Do(functools.partial(start, job.task_key))
        dialogue = open_dialogue(agent, opening, shots, decoding.limits)
        modes = (job.mode, *job.shadows)
        state = opening.state
        status = Status.SUCCESS if state.won else None
        while status is None:
            dialogue.observe(state.observation, state.admissible)
            decisions: list[Decision] = yield Think(
                [request_at(dialogue, job, decoding, len(steps), mode) for mode in modes]
            )
            done: Turn = yield Do(functools.partial(turn, [(d.mode, d.action) for d in decisions]))
            driver, shadows = decisions[0], decisions[1:]
            steps.append(
                StepRecord(
                    observation=state.observation,
                    decision=driver,
                    reward=done.reward,
                    valid=done.valid,
                    shadows={shadow.mode: shadow for shadow in shadows},
                    canonical=done.canonical,
                    cost_to_go=done.cost_to_go,
                    env_seconds=done.seconds,
                )
            )
            dialogue.act(driver.action, driver.thought)
            state = done.state
            if done.terminated:
                status = Status.SUCCESS if state.won else Status.FAILURE
            elif done.truncated:
                status = Status.TRUNCATED
        return finish(
            job,
            agent,
            steps,
            status,
            self._begun,
            score=state.score,
            goal=state.goal,
            final=state.observation,
            reset_seconds=opening.seconds,
        )

    def failed(self, failure: Failure) -> Episode:
        """The record of the steps that were taken."""
        return finish(
            self._job, self._agent, self._steps, failure.status, self._begun, error=failure.text
        )


@dataclass(frozen=True)
class EpisodeRules:
    """How a run's jobs are played; can be sent elsewhere (see `Rules`)."""

    config: RunConfig

    @property
    def panels(self) -> tuple[PanelPlan, ...]:
        """The run's."""
        return self.config.panels

    @property
    def timeout(self) -> float | None:
        """The run's, in seconds."""
        return self.config.limits.timeout

    def rollout(self, job: Job, agent: Agent) -> EpisodeRollout:
        """One of the run's episodes."""
        config = self.config
        decoding = Decoding(config.sampling, config.limits, config.seed)
        return EpisodeRollout(job, agent, decoding, shot_source(agent.protocol, config.seed))

    def lost(self, job: Job, card: AgentCard, failure: Failure) -> Episode:
        """The record of an episode of which nothing is known but why."""
        return finish(job, card, (), failure.status, perf_counter(), error=failure.text)


def open_dialogue(agent: Agent, opening: Start, shots: Sequence[Shot], limits: Limits) -> Dialogue:
    """An episode's conversation, with the same room for every mode.

    So all modes see the same prompt at the same state.
    """
    reserve = limits.action_tokens + limits.thought_tokens
    return agent.dialogue(opening.instructions, shots, reserve=reserve, example=opening.example)


def request_at(dialogue: Dialogue, job: Job, decoding: Decoding, step: int, mode: str) -> Request:
    """What a mode is asked after `step` actions, with the last observation in the dialogue."""
    return dialogue.request(
        mode,
        sampling=decoding.sampling,
        seed=request_seed(decoding.seed, job, step, mode),
        cache_key="|".join(map(str, job.id)),
        max_new_tokens=budget(mode, decoding.limits),
    )


def finish(
    job: Job,
    agent: Agent | AgentCard,
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

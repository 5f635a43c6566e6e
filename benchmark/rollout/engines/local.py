"""Episodes in this process: many at once, their requests decoded together.

With a backend that streams, an episode goes on as soon as its own decisions are there; with any
other, all episodes that wait for decisions take each step together. Environments may step in other
processes meanwhile.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from time import perf_counter
from typing import Any

from cotgap.agents.agent import Agent, AgentCard
from cotgap.agents.core import BackendError, Decision, Request, Streaming, reads_environment
from cotgap.agents.prompts import Shot
from cotgap.benchmark.records.config import RunConfig
from cotgap.benchmark.records.episode import Episode, Status, StepRecord
from cotgap.benchmark.rollout.budget import Budget
from cotgap.benchmark.rollout.engines.core import AgentRecipe, Order, Placement, Times
from cotgap.benchmark.rollout.episode import Decoding, Job, Play, finish, play
from cotgap.benchmark.rollout.shots import shot_source
from cotgap.benchmark.rollout.workers import (
    Environments,
    Host,
    HostError,
    InProcess,
    OpenEnv,
    Seat,
    SeatPool,
    described,
    processors,
)
from cotgap.envs.core import CoTGapError, TaskKey, TaskUnavailableError
from cotgap.envs.registry import get_suite

TRIES = 3  # how often a batch is sent to a failing backend before its episodes are given up


@dataclass(eq=False)
class _Running:
    """An episode in flight and the requests it waits for (none while its environment works)."""

    job: Job
    host: Host
    playing: Play
    steps: list[StepRecord]
    begun: float
    requests: list[Request] = field(default_factory=list)
    asked: bool = False
    """Whether there was anything to decide yet."""
    decisions: dict[int, Decision | BackendError] = field(default_factory=dict)
    """What has come back from a stream, by the position of its request."""


class LocalEngine:
    """Plays jobs in this process, `width` episodes at a time.

    `open_env` makes an environment for a task key's panel; environments are reused from episode
    to episode. `on_step` is called after each step. Nothing more is played once `budget` is spent.
    Environments of tasks that are `costly` step in
    `env_workers` other processes (0: in this one, too), which `open_env` is sent to; an agent that
    reads them (`reads_environment`) has them all in this one.

    `times` says what the wall time of `run` went to.
    """

    def __init__(
        self,
        agent: Agent,
        decoding: Decoding,
        open_env: OpenEnv,
        *,
        width: int,
        shots: Callable[[TaskKey], Sequence[Shot]] = lambda key: (),
        on_step: Callable[[], None] = lambda: None,
        env_workers: int = 0,
        costly: Callable[[TaskKey], bool] = lambda key: False,
        budget: Budget | None = None,
    ) -> None:
        self._agent = agent
        self._decoding = decoding
        self._open_env = open_env
        self._width = width
        self._shots = shots
        self._on_step = on_step
        self._idle: list[Host] = []
        self._seats: SeatPool | None = None
        if env_workers and not reads_environment(agent.backend):
            workers = min(env_workers, width)
            self._seats = SeatPool(open_env, workers, math.ceil(width / workers))
        self._costly = costly
        self._budget = budget or Budget()
        self._stream = agent.backend if isinstance(agent.backend, Streaming) else None
        self._flying: dict[int, tuple[_Running, int]] = {}
        """Ticket → whose request it is, and its position."""
        self.times = Times()

    def run(self, jobs: Sequence[Job]) -> Iterator[Episode]:
        """Play all jobs that the budget allows; yields each episode as it ends, in no order.

        A deque is emptied, and may be filled again between two episodes. Failures of an
        environment or a backend become records. Any other `CoTGapError` is a mistake of the
        caller's (a protocol that the suite cannot serve, say) and is raised.
        """
        waiting, running = jobs if isinstance(jobs, deque) else deque(jobs), list[_Running]()
        try:
            while (waiting or running) and not self._budget.spent:
                while waiting and len(running) < self._width:
                    running.append(self._begin(waiting.popleft()))
                yield from self._advance(running)
        finally:
            self._abandon()
            for host in (*(episode.host for episode in running), *self._idle):
                host.close()
            self._idle.clear()
            if self._seats is not None:
                self._seats.close()

    def _begin(self, job: Job) -> _Running:
        shots, steps = self._shots(job.task_key), list[StepRecord]()
        with self.times.of("environments"):
            host = self._take(job.task_key)
            env = host.env(job.task_key)
        playing = play(env, job, self._agent, self._decoding, shots, steps)
        episode = _Running(job, host, playing, steps, perf_counter())
        self._resume(episode, None)
        return episode

    def _advance(self, running: list[_Running]) -> Iterator[Episode]:
        """A state of every running episode that can go on; removes and yields those that end."""
        for episode in self._answered(running):
            if (ended := self._hear(episode)) is not None:
                running.remove(episode)
                yield ended
        decide = self._decide if self._stream is None else self._decide_some
        asking = [episode for episode in running if episode.requests]
        for episode, decisions in decide(asking) if asking else ():
            if not isinstance(decisions, Exception):
                self._budget.add(decisions)
            if (ended := self._send(episode, decisions)) is not None:
                running.remove(episode)
                yield ended
            self._on_step()

    def _answered(self, running: Sequence[_Running]) -> list[_Running]:
        """Episodes whose environment is ready, or is in this process and answers when it is asked.

        Waits for one of them where no episode has anything to decide.
        """
        working = [episode for episode in running if not episode.requests]
        doors = [episode.host.waits_on() for episode in working]
        away = [door for door in doors if door is not None]
        held_up = len(away) == len(running)
        with self.times.of("environments"):
            opened = wait(away, None if held_up else 0) if away else []
        return [
            episode
            for episode, door in zip(working, doors, strict=True)
            if door is None or door in opened
        ]

    def _decide_some(
        self, running: Sequence[_Running]
    ) -> Iterator[tuple[_Running, list[Decision] | Exception]]:
        """Decisions of the episodes whose last one has come, if any has.

        A stream that fails has forgotten everything, so that all are asked again without it.
        """
        try:
            ready = self._collect(running)
        except Exception:
            self._abandon()
            for episode in running:
                episode.decisions.clear()
            yield from self._decide(running)
            return
        for episode in ready:
            answers = [episode.decisions[number] for number in range(len(episode.requests))]
            episode.decisions.clear()
            decisions = [answer for answer in answers if isinstance(answer, Decision)]
            failures = [answer for answer in answers if isinstance(answer, BackendError)]
            yield episode, failures[0] if failures else decisions

    def _abandon(self) -> None:
        """Leave nothing in flight."""
        self._flying.clear()
        if self._stream is not None:
            self._stream.forget()

    def _collect(self, running: Sequence[_Running]) -> list[_Running]:
        """Send what is new, and wait for something; returns what has all its decisions."""
        assert self._stream is not None
        flying = {id(episode) for episode, _ in self._flying.values()}
        for episode in running:
            if id(episode) not in flying:
                with self.times.of("model"):
                    tickets = self._stream.submit(episode.requests)
                self._flying |= {t: (episode, number) for number, t in enumerate(tickets)}
        with self.times.of("model"):
            answers = self._stream.collect()
        ready: list[_Running] = []
        for ticket, answer in answers:
            episode, number = self._flying.pop(ticket)
            request = episode.requests[number]
            episode.decisions[number] = (
                answer if isinstance(answer, BackendError) else self._agent.parse(request, answer)
            )
            if len(episode.decisions) == len(episode.requests):
                ready.append(episode)
        return ready

    def _decide(
        self, running: Sequence[_Running]
    ) -> Iterator[tuple[_Running, list[Decision] | Exception]]:
        """Decisions of every episode, or why there are none."""
        try:
            answers = self._ask([r for episode in running for r in episode.requests])
        except Exception as error:  # any failure of a backend is data, a caller's mistake is not
            if isinstance(error, CoTGapError) and not isinstance(error, BackendError):
                raise
            if len(running) == 1:
                yield running[0], error
                return
            for episode in running:  # one bad request must not cost the others their episode
                yield from self._decide([episode])
            return
        position = 0
        for episode in running:
            end = position + len(episode.requests)
            yield episode, answers[position:end]
            position = end

    def _ask(self, requests: Sequence[Request]) -> list[Decision]:
        with self.times.of("model"):
            for _ in range(TRIES - 1):
                try:
                    return self._agent.decide(requests)
                except BackendError:
                    continue
            return self._agent.decide(requests)

    def _send(self, episode: _Running, decisions: list[Decision] | Exception) -> Episode | None:
        """Continue an episode that was decided on; returns its record if it has ended."""
        if isinstance(decisions, Exception):
            self._put_back(episode)
            return self._failed(episode, Status.BACKEND_ERROR, decisions)
        return self._resume(episode, decisions)

    def _hear(self, episode: _Running) -> Episode | None:
        """Continue an episode whose environment is done; returns its record if it has ended."""
        try:
            with self.times.of("environments"):
                answer = episode.host.result()
        except Exception as error:  # any failure of an environment is data
            return self._broken(episode, error)
        ended = self._resume(episode, answer)
        timeout = self._decoding.limits.timeout
        if ended is None and timeout is not None and perf_counter() - episode.begun > timeout:
            self._put_back(episode)
            over = TimeoutError(f"the episode took longer than {timeout:g} s")
            return self._failed(episode, Status.TIMEOUT, over)
        return ended

    def _resume(self, episode: _Running, answer: Any) -> Episode | None:
        """Give an episode what it waits for; returns its record if it has ended."""
        try:
            asked = episode.playing.send(answer)
        except StopIteration as ended:
            self._put_back(episode)
            record: Episode = ended.value
            return record
        except Exception as error:  # such as a context that is too small for the observation
            return self._broken(episode, error)
        if isinstance(asked, list):
            episode.requests, episode.asked = asked, True
        else:
            episode.requests = []
            episode.host.submit(episode.job.task_key, asked)
        return None

    def _broken(self, episode: _Running, error: Exception) -> Episode:
        """The record of an episode whose environment failed; raises a mistake of the caller's."""
        self._put_back(episode)
        mistake = isinstance(error, CoTGapError) and not isinstance(error, TaskUnavailableError)
        if mistake and not episode.asked:
            raise error
        return self._failed(episode, Status.ENV_ERROR, error)

    def _take(self, key: TaskKey) -> Host:
        if self._seats is not None and self._costly(key):
            return self._seats.take()
        return self._idle.pop() if self._idle else InProcess(self._open_env)

    def _put_back(self, episode: _Running) -> None:
        host = episode.host
        if isinstance(host, Seat):
            assert self._seats is not None
            self._seats.give_back(host)
        else:
            self._idle.append(host)

    def _failed(self, episode: _Running, status: Status, error: Exception) -> Episode:
        message = str(error) if isinstance(error, HostError) else described(error)
        job, begun = episode.job, episode.begun
        return finish(job, self._agent, episode.steps, status, begun, error=message)


class LocalSite:
    """The agent is in this process (`agent`), and so are its episodes."""

    workers = 1

    def __init__(self, recipe: AgentRecipe, placement: Placement) -> None:
        if placement != Placement():
            raise CoTGapError(
                "--ray-address, --workers and --gpus-per-worker are for --engine ray; leave them "
                "out, or choose that engine"
            )
        self.agent = recipe.make()
        self.card: AgentCard = self.agent.card()
        self.times = Times()

    def play(
        self, order: Order, jobs: Sequence[Job], on_step: Callable[[], None]
    ) -> Iterator[Episode]:
        """See `cotgap.benchmark.rollout.engines.core.Site`."""
        engine = engine_for(self.agent, order, on_step)
        self.times = engine.times
        yield from engine.run(jobs)

    def close(self) -> None:
        """Free what the agent holds."""
        self.agent.close()


SITE = LocalSite


def engine_for(agent: Agent, order: Order, on_step: Callable[[], None]) -> LocalEngine:
    """The engine that plays a run's jobs with an agent in this process."""
    config: RunConfig = order.config
    return LocalEngine(
        agent,
        Decoding(config.sampling, config.limits, config.seed),
        Environments(
            {panel.name: panel.step_limit for panel in config.panels}, agent.protocol.admissible
        ),
        width=order.width,
        shots=shot_source(agent.protocol, config.seed),
        on_step=on_step,
        env_workers=_env_workers(order),
        costly=lambda key: get_suite(key.suite).costly,
        budget=order.budget,
    )


def _env_workers(order: Order) -> int:
    """As many as there are processors, where there is anything to do at the same time."""
    if order.env_workers is not None:
        return order.env_workers
    return processors() if order.width > 1 and processors() > 1 else 0

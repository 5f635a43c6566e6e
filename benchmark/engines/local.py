"""Episodes in this process: many at once, their requests decoded together.

With a backend that streams, an episode goes on as soon as its own decisions are there; with any
other, all episodes take each step together.
"""

from __future__ import annotations

import traceback
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from time import perf_counter

from agents.agent import Agent
from agents.core import BackendError, Decision, Request, Streaming
from agents.prompts import Shot
from benchmark.budget import Budget
from benchmark.episode import Decoding, Job, Play, finish, play
from benchmark.records import Episode, Status, StepRecord
from envs.core import CoTGapError, TaskKey, TaskUnavailableError, TextEnv

TRIES = 3  # how often a batch is sent to a failing backend before its episodes are given up


@dataclass
class _Running:
    """An episode in flight and the requests it waits for."""

    job: Job
    env: TextEnv
    playing: Play
    steps: list[StepRecord]
    begun: float
    requests: list[Request] = field(default_factory=list)
    decisions: dict[int, Decision | BackendError] = field(default_factory=dict)
    """What has come back from a stream, by the position of its request."""


class LocalEngine:
    """Plays jobs in this process, `width` episodes at a time.

    `open_env` makes an environment for a task key's panel; environments are reused from episode
    to episode. `on_step` is called after each step. Nothing more is played once `budget` is spent.
    """

    def __init__(
        self,
        agent: Agent,
        decoding: Decoding,
        open_env: Callable[[TaskKey], TextEnv],
        *,
        width: int,
        shots: Callable[[TaskKey], Sequence[Shot]] = lambda key: (),
        on_step: Callable[[], None] = lambda: None,
        budget: Budget | None = None,
    ) -> None:
        self._agent = agent
        self._decoding = decoding
        self._open_env = open_env
        self._width = width
        self._shots = shots
        self._on_step = on_step
        self._budget = budget or Budget()
        self._idle: dict[str, list[TextEnv]] = defaultdict(list)
        self._stream = agent.backend if isinstance(agent.backend, Streaming) else None
        self._flying: dict[int, tuple[_Running, int]] = {}
        """Ticket → whose request it is, and its position."""

    def run(self, jobs: Sequence[Job]) -> Iterator[Episode]:
        """Play all jobs that the budget allows; yields each episode as it ends, in no order.

        Failures of an environment or a backend become records. Any other `CoTGapError` is a
        mistake of the caller's (a protocol that the suite cannot serve, say) and is raised.
        """
        waiting, running = deque(jobs), list[_Running]()
        try:
            while (waiting or running) and not self._budget.spent:
                while waiting and len(running) < self._width:
                    begun = self._begin(waiting.popleft())
                    if isinstance(begun, Episode):
                        yield begun
                    else:
                        running.append(begun)
                yield from self._advance(running)
        finally:
            self._abandon()
            for env in chain((episode.env for episode in running), *self._idle.values()):
                env.close()
            self._idle.clear()

    def _begin(self, job: Job) -> _Running | Episode:
        begun = perf_counter()
        idle = self._idle[job.task_key.panel]
        env = idle.pop() if idle else self._open_env(job.task_key)
        steps: list[StepRecord] = []
        try:
            shots = self._shots(job.task_key)
            playing = play(env, job, self._agent, self._decoding, shots, steps)
            running = _Running(job, env, playing, steps, begun)
            running.requests = next(playing)
        except StopIteration as ended:  # won before the first action
            self._put_back(job, env)
            return _record(ended)
        except Exception as error:  # any failure of an environment is data
            env.close()
            if isinstance(error, CoTGapError) and not isinstance(error, TaskUnavailableError):
                raise
            return self._failed(job, Status.ENV_ERROR, error, begun)
        return running

    def _advance(self, running: list[_Running]) -> Iterator[Episode]:
        """A state of every running episode that can go on; removes and yields those that end."""
        decide = self._decide if self._stream is None else self._decide_some
        for episode, decisions in decide(list(running)):
            if not isinstance(decisions, Exception):
                self._budget.add(decisions)
            ended = self._send(episode, decisions)
            self._on_step()
            if ended is not None:
                running.remove(episode)
                yield ended

    def _decide_some(
        self, running: Sequence[_Running]
    ) -> Iterator[tuple[_Running, list[Decision] | Exception]]:
        """Decisions of the episodes whose last one has come: at least one episode's.

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
        """Send what is new, and wait until all requests of an episode are answered."""
        assert self._stream is not None
        flying = {id(episode) for episode, _ in self._flying.values()}
        for episode in running:
            if id(episode) not in flying:
                tickets = self._stream.submit(episode.requests)
                self._flying |= {t: (episode, number) for number, t in enumerate(tickets)}
        ready: list[_Running] = []
        while not ready:
            for ticket, answer in self._stream.collect():
                episode, number = self._flying.pop(ticket)
                request = episode.requests[number]
                episode.decisions[number] = (
                    answer
                    if isinstance(answer, BackendError)
                    else self._agent.parse(request, answer)
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
        for _ in range(TRIES - 1):
            try:
                return self._agent.decide(requests)
            except BackendError:
                continue
        return self._agent.decide(requests)

    def _send(self, episode: _Running, decisions: list[Decision] | Exception) -> Episode | None:
        """Continue an episode; returns its record if it has ended."""
        job = episode.job
        if isinstance(decisions, Exception):
            self._put_back(job, episode.env)
            return self._failed(job, Status.BACKEND_ERROR, decisions, episode.begun, episode.steps)
        try:
            episode.requests = episode.playing.send(decisions)
        except StopIteration as ended:
            self._put_back(job, episode.env)
            return _record(ended)
        except Exception as error:  # any failure of an environment is data
            episode.env.close()
            return self._failed(job, Status.ENV_ERROR, error, episode.begun, episode.steps)
        timeout = self._decoding.limits.timeout
        if timeout is not None and perf_counter() - episode.begun > timeout:
            self._put_back(job, episode.env)
            over = TimeoutError(f"the episode took longer than {timeout:g} s")
            return self._failed(job, Status.TIMEOUT, over, episode.begun, episode.steps)
        return None

    def _put_back(self, job: Job, env: TextEnv) -> None:
        self._idle[job.task_key.panel].append(env)

    def _failed(
        self,
        job: Job,
        status: Status,
        error: Exception,
        begun: float,
        steps: Sequence[StepRecord] = (),
    ) -> Episode:
        message = f"{type(error).__name__}: {error}"
        if not isinstance(error, (CoTGapError, TimeoutError)):
            message += "\n" + "".join(traceback.format_tb(error.__traceback__)[-3:])
        return finish(job, self._agent, steps, status, begun, error=message)


def _record(ended: StopIteration) -> Episode:
    """What a generator of `play` returned."""
    episode: Episode = ended.value
    return episode

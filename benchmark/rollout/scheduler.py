"""Runs rollouts, many at once: the one place where requests are batched and environments step.

With a backend that streams, a rollout goes on as soon as its own decisions are there; with any
other, all rollouts that wait for decisions are answered together. Environments may step in other
processes meanwhile. A failure of an environment or a backend, and too much time, end a rollout
with a result that says so; a mistake of the caller's is raised.
"""

from __future__ import annotations

import functools
import math
import selectors
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any, Generic, TypeVar

from cotgap.agents.agent import Agent
from cotgap.agents.core import BackendError, Decision, Request, Streaming, reads_environment
from cotgap.benchmark.records.episode import Status
from cotgap.benchmark.rollout.budget import Budget
from cotgap.benchmark.rollout.needs import Do, Failure, Play, Rollout, Think, Together
from cotgap.benchmark.rollout.workers import (
    Host,
    HostError,
    InProcess,
    OpenEnv,
    Seat,
    SeatPool,
    described,
)
from cotgap.envs.core import CoTGapError, TaskKey, TaskUnavailableError

TRIES = 3  # how often a batch is sent to a failing backend before its rollouts are given up
R = TypeVar("R")


@dataclass
class Times:
    """Wall seconds that went to the model and to environments (waiting for them included)."""

    model: float = 0.0
    environments: float = 0.0

    def __add__(self, other: Times) -> Times:
        return Times(self.model + other.model, self.environments + other.environments)


@dataclass(eq=False)
class _Running(Generic[R]):
    """A rollout's play, or a part of one (`whole`, at `place` of its parts)."""

    rollout: Rollout[R]
    play: Play
    begun: float
    whole: _Running[R] | None = None
    place: int = 0
    host: Host | None = None
    requests: Sequence[Request] = ()
    decisions: dict[int, Decision | BackendError] = field(default_factory=dict)
    """What a stream has answered, by the position of its request."""
    answers: list[Any] = field(default_factory=list)
    """What its parts returned, and `waits_for` how many have not returned yet."""
    waits_for: int = 0
    asked: bool = False
    """Of a whole rollout: whether there was anything to decide yet."""
    over: bool = False
    """Of a whole rollout: whether it was given up."""

    @property
    def root(self) -> _Running[R]:
        """The whole rollout that this is a part of, in the end."""
        return self if self.whole is None else self.whole.root


class Scheduler(Generic[R]):
    """Runs rollouts with an agent in this process, `width` plays (or parts of plays) at a time.

    `open_env` makes an environment for a task key's panel; environments are used again by later
    rollouts. Environments of tasks that are `costly` step in `env_workers` other processes (0: in
    this one, too), which `open_env` is sent to; an agent that reads environments
    (`reads_environment`) has them all in this one, and finds them in its requests.

    A rollout that takes longer than `timeout` seconds is given up. Nothing more is played once
    `budget` is spent. `on_step` is called at each state that was decided on. `times` says what the
    wall time of `run` went to.
    """

    def __init__(
        self,
        agent: Agent,
        open_env: OpenEnv,
        *,
        width: int,
        env_workers: int = 0,
        costly: Callable[[TaskKey], bool] = lambda key: False,
        timeout: float | None = None,
        budget: Budget | None = None,
        on_step: Callable[[], None] = lambda: None,
    ) -> None:
        self._agent = agent
        self._open_env = open_env
        self._width = width
        self._costly = costly
        self._timeout = timeout
        self._budget = budget or Budget()
        self._on_step = on_step
        self._shown = reads_environment(agent.backend)
        self._seats: SeatPool | None = None
        if env_workers and not self._shown:
            workers = min(env_workers, width)
            self._seats = SeatPool(open_env, workers, math.ceil(width / workers))
        self._idle: list[Host] = []
        self._stream = agent.backend if isinstance(agent.backend, Streaming) else None
        self._running: dict[_Running[R], None] = {}
        """What holds one of the `width` places, in the order of taking it."""
        self._waiting: deque[tuple[_Running[R], Any]] = deque()
        """What goes on with an answer as soon as there is a place: parts, and wholes after them."""
        self._asking: list[_Running[R]] = []
        """What waits for decisions that nobody was asked for yet."""
        self._flying: dict[int, tuple[_Running[R], int]] = {}
        """A stream's ticket → whose request it is, and its position."""
        self._here: deque[_Running[R]] = deque()
        """What waits for an environment in this process, which answers when it is asked."""
        self._away = selectors.DefaultSelector()
        """What waits for an environment in another one, by its connection."""
        self.times = Times()

    def run(self, rollouts: Iterable[Rollout[R]]) -> Iterator[R]:
        """Play all rollouts that the budget allows; yields each result as it is there, in no order.

        Raises a `CoTGapError` that is a mistake of the caller's: one that neither backend nor task
        is to blame for, before there was anything to decide.
        """
        return self.serve(functools.partial(next, iter(rollouts), None))

    def serve(self, take: Callable[[], Rollout[R] | None]) -> Iterator[R]:
        """Play what `take` gives whenever there is room, until it gives None and all have ended.

        It may be asked again after it gave None.
        """
        try:
            while not self._budget.spent:
                yield from self._fill(take)
                if not self._running:
                    return
                yield from self._hear_all()
                yield from self._think()
        finally:
            self._abandon()
            for running in self._running:
                if running.host is not None:
                    running.host.close()
            for host in self._idle:
                host.close()
            if self._seats is not None:
                self._seats.close()
            self._away.close()

    def _fill(self, take: Callable[[], Rollout[R] | None]) -> Iterator[R]:
        """Give every free place to who waits for one, parts before other rollouts."""
        while len(self._running) < self._width:
            answer = None
            if self._waiting:
                running, answer = self._waiting.popleft()
                if running.root.over:
                    continue
            elif (rollout := take()) is not None:
                running = _Running(rollout, rollout.play(), perf_counter())
            else:
                return
            self._running[running] = None
            yield from self._resume(running, answer)

    def _resume(self, running: _Running[R], answer: Any, *, heard: bool = False) -> Iterator[R]:
        """Send a play what it waits for, and see to what it needs next; yields an ended rollout."""
        try:
            need = running.play.send(answer)
        except StopIteration as ended:
            yield from self._ended(running, ended.value)
            return
        except Exception as error:  # such as a context that is too small for the observation
            yield self._broken(running, error)
            return
        if heard and self._late(running):
            over = TimeoutError(f"the episode took longer than {self._timeout:g} s")
            yield self._give_up(running, Failure(Status.TIMEOUT, described(over)))
            return
        try:
            if isinstance(need, Do):
                self._ask_environment(running, need)
            elif isinstance(need, Think):
                running.root.asked = True
                running.requests = self._showing(running, need.requests)
                self._asking.append(running)
            else:
                self._split(running, need)
        except Exception as error:
            yield self._broken(running, error)

    def _late(self, running: _Running[R]) -> bool:
        return self._timeout is not None and perf_counter() - running.root.begun > self._timeout

    def _ended(self, running: _Running[R], value: Any) -> Iterator[R]:
        self._release(running)
        whole = running.whole
        if whole is None:
            yield value
            return
        whole.answers[running.place] = value
        whole.waits_for -= 1
        if not whole.waits_for:
            self._waiting.appendleft((whole, whole.answers))

    def _split(self, whole: _Running[R], need: Together) -> None:
        self._release(whole)
        whole.waits_for, whole.answers = len(need.parts), [None] * len(need.parts)
        if not need.parts:
            self._waiting.appendleft((whole, []))
        for place, play in reversed(list(enumerate(need.parts))):
            part = _Running(whole.rollout, play, whole.begun, whole, place)
            self._waiting.appendleft((part, None))

    # Environments.

    def _ask_environment(self, running: _Running[R], need: Do) -> None:
        host = self._host(running)
        host.submit(running.rollout.key, need.ask)
        door = host.waits_on()
        if door is None:
            self._here.append(running)
        else:
            self._away.register(door, selectors.EVENT_READ, running)

    def _hear_all(self) -> Iterator[R]:
        """Let every play go on whose environment is ready, or is here and answers when asked.

        Waits for an environment where nothing is to be decided.
        """
        while self._here:
            yield from self._hear(self._here.popleft())
        if self._away.get_map():
            held_up = not self._asking and not self._flying
            begun = perf_counter()
            ready = self._away.select(None if held_up else 0)
            self.times.environments += perf_counter() - begun
            for door, _ in ready:
                self._away.unregister(door.fileobj)
                yield from self._hear(door.data)

    def _hear(self, running: _Running[R]) -> Iterator[R]:
        """Let a play go on whose environment is done, or does it now."""
        assert running.host is not None
        begun = perf_counter()
        try:
            answer = running.host.result()
        except Exception as error:  # any failure of an environment is data
            self.times.environments += perf_counter() - begun
            if not running.root.over:
                yield self._broken(running, error)
                return
        else:
            self.times.environments += perf_counter() - begun
            if not running.root.over:
                yield from self._resume(running, answer, heard=True)
                return
        self._release(running)

    def _host(self, running: _Running[R]) -> Host:
        if running.host is None:
            if self._seats is not None and self._costly(running.rollout.key):
                running.host = self._seats.take()
            else:
                running.host = self._idle.pop() if self._idle else InProcess(self._open_env)
        return running.host

    def _showing(self, running: _Running[R], requests: Sequence[Request]) -> Sequence[Request]:
        """Requests with the live environment in them, for an agent that reads it."""
        if not self._shown:
            return requests
        env = self._host(running).env(running.rollout.key)
        return [replace(request, env=env) for request in requests]

    def _release(self, running: _Running[R]) -> None:
        """A play no longer needs its place and its environment."""
        self._running.pop(running, None)
        host, running.host = running.host, None
        if isinstance(host, Seat):
            assert self._seats is not None
            self._seats.give_back(host)
        elif host is not None:
            self._idle.append(host)

    # Failures.

    def _broken(self, running: _Running[R], error: Exception) -> R:
        """The result of a rollout whose environment failed; raises a mistake of the caller's."""
        mistake = isinstance(error, CoTGapError) and not isinstance(error, TaskUnavailableError)
        if mistake and not running.root.asked:
            raise error
        text = str(error) if isinstance(error, HostError) else described(error)
        return self._give_up(running, Failure(Status.ENV_ERROR, text))

    def _give_up(self, running: _Running[R], failure: Failure) -> R:
        """End a rollout, with all its parts; one whose environment is at work keeps its place."""
        root = running.root
        root.over = True
        busy = {id(key.data) for key in self._away.get_map().values()}
        for other in [other for other in self._running if other.root is root]:
            if other is running or id(other) not in busy:
                self._release(other)
            other.play.close()
        self._here = deque(other for other in self._here if other.root is not root)
        self._asking = [other for other in self._asking if other.root is not root]
        return root.rollout.failed(failure)

    # Decisions.

    def _think(self) -> Iterator[R]:
        """Answer what waits for decisions, as far as there are answers."""
        asking, self._asking = self._asking, []
        decide = self._decide if self._stream is None else self._decide_some
        for running, decisions in decide(asking):
            if running.root.over:
                continue  # given up meanwhile, with its rollout
            if isinstance(decisions, Exception):
                self._on_step()
                yield self._give_up(running, Failure(Status.BACKEND_ERROR, described(decisions)))
            else:
                self._budget.add(decisions)
                self._on_step()
                yield from self._resume(running, decisions)

    def _decide(
        self, asking: Sequence[_Running[R]]
    ) -> Iterator[tuple[_Running[R], list[Decision] | Exception]]:
        """Decisions of every play, or why there are none; one bad request spoils one rollout."""
        if not asking:
            return
        try:
            answers = self._ask([request for one in asking for request in one.requests])
        except Exception as error:  # any failure of a backend is data, a caller's mistake is not
            if isinstance(error, CoTGapError) and not isinstance(error, BackendError):
                raise
            if len(asking) == 1:
                yield asking[0], error
                return
            for one in asking:
                yield from self._decide([one])
            return
        position = 0
        for one in asking:
            end = position + len(one.requests)
            yield one, answers[position:end]
            position = end

    def _ask(self, requests: Sequence[Request]) -> list[Decision]:
        begun = perf_counter()
        try:
            for _ in range(TRIES - 1):
                try:
                    return self._agent.decide(requests)
                except BackendError:
                    continue
            return self._agent.decide(requests)
        finally:
            self.times.model += perf_counter() - begun

    def _decide_some(
        self, asking: Sequence[_Running[R]]
    ) -> Iterator[tuple[_Running[R], list[Decision] | Exception]]:
        """Decisions of the plays whose last one has come, if any has.

        A stream that fails has forgotten everything, so that all are asked again without it.
        """
        try:
            ready = self._collect(asking)
        except Exception:
            lost = dict.fromkeys([*(one for one, _ in self._flying.values()), *asking])
            self._abandon()
            for one in lost:
                one.decisions.clear()
            yield from self._decide([one for one in lost if not one.root.over])
            return
        for one in ready:
            answers = [one.decisions[number] for number in range(len(one.requests))]
            one.decisions.clear()
            decisions = [answer for answer in answers if isinstance(answer, Decision)]
            failures = [answer for answer in answers if isinstance(answer, BackendError)]
            yield one, failures[0] if failures else decisions

    def _collect(self, asking: Sequence[_Running[R]]) -> list[_Running[R]]:
        """Send what is new, and wait for something; returns what has all its decisions."""
        assert self._stream is not None
        begun = perf_counter()
        try:
            for one in asking:
                tickets = self._stream.submit(one.requests)
                self._flying |= {ticket: (one, number) for number, ticket in enumerate(tickets)}
            answers = self._stream.collect() if self._flying else ()
        finally:
            self.times.model += perf_counter() - begun
        ready: list[_Running[R]] = []
        for ticket, answer in answers:
            one, number = self._flying.pop(ticket)
            one.decisions[number] = (
                answer
                if isinstance(answer, BackendError)
                else self._agent.parse(one.requests[number], answer)
            )
            if len(one.decisions) == len(one.requests):
                ready.append(one)
        return ready

    def _abandon(self) -> None:
        """Leave nothing in flight."""
        self._flying.clear()
        if self._stream is not None:
            self._stream.forget()

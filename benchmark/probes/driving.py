"""Visits many tasks at once, so that their requests are decoded together.

With a backend that streams, a visit goes on as soon as its own decisions are there; with any
other, all visits that wait for decisions go on together.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cotgap.agents.agent import Agent
from cotgap.agents.core import BackendError, Decision, Request, Streaming
from cotgap.benchmark.probes.core import Asking, Row, Together
from cotgap.benchmark.probes.states import Visit
from cotgap.envs.core import CoTGapError, TaskKey, TaskUnavailableError, TextEnv


@dataclass(frozen=True)
class TaskRecord:
    """What was found in one task: its rows, or why there are none (`error`)."""

    task_key: str
    rows: tuple[Row, ...] = ()
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """A JSON-able mapping."""
        return {"task_key": self.task_key, "rows": list(self.rows), "error": self.error}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> TaskRecord:
        """The inverse of `to_json`; raises `CoTGapError` for malformed data."""
        try:
            return cls(str(data["task_key"]), tuple(data["rows"]), data["error"])
        except (KeyError, TypeError) as error:
            raise CoTGapError(f"malformed record: {type(error).__name__}: {error}") from error


@dataclass(eq=False)
class _Visiting:
    """A task's visit, or a part of one (`whole`, at `place` of its parts).

    `waits_for` counts the parts that it has begun and whose `answers` are not all there.
    """

    visit: Visit
    asking: Generator[Any, Any, Any]
    whole: _Visiting | None = None
    place: int = 0
    requests: list[Request] = field(default_factory=list)
    decisions: dict[int, Decision | BackendError] = field(default_factory=dict)
    """What has come back from a stream, by the position of its request."""
    answers: list[Any] = field(default_factory=list)
    waits_for: int = 0

    @property
    def task(self) -> _Visiting:
        """The visit that this is a part of, in the end."""
        return self if self.whole is None else self.whole.task


@dataclass(frozen=True)
class _Part:
    """What is to be asked as soon as there is room."""

    whole: _Visiting
    place: int
    ask: Callable[[Visit], Generator[Any, Any, Any]]


class Driver:
    """Has `width` visits or parts of visits ask at a time, each in an environment of its own.

    `examine` asks, `open_env` and `visit` make what it needs. Environments are used again for other
    tasks of their panel. Parts of a visit come before other tasks, so that tasks end early.
    """

    def __init__(
        self,
        agent: Agent,
        examine: Callable[[Visit], Asking],
        open_env: Callable[[TaskKey], TextEnv],
        visit: Callable[[TaskKey, TextEnv], Visit],
        width: int,
    ) -> None:
        self._agent, self._examine = agent, examine
        self._open_env, self._visit, self._width = open_env, visit, width
        self._idle: dict[str, list[TextEnv]] = defaultdict(list)
        self._running: list[_Visiting] = []
        self._parts: deque[_Part] = deque()
        self._stream = agent.backend if isinstance(agent.backend, Streaming) else None
        self._flying: dict[int, tuple[_Visiting, int]] = {}
        """Ticket → whose request it is, and its position."""

    def run(self, keys: Sequence[TaskKey]) -> Iterator[TaskRecord]:
        """Every task's record, as it is done.

        Failures of an environment or a backend become records; any other `CoTGapError` is a
        mistake of the caller's and is raised.
        """
        waiting = deque(keys)
        try:
            while waiting or self._parts or self._running:
                while len(self._running) < self._width and (self._parts or waiting):
                    yield from self._begin_part() if self._parts else self._begin(waiting.popleft())
                if not self._running:
                    continue
                decide = self._decide if self._stream is None else self._decide_some
                for visiting, decisions in list(decide(self._running)):
                    if visiting not in self._running:
                        continue  # given up meanwhile, with its task
                    if isinstance(decisions, Exception):
                        self._idle[visiting.visit.key.panel].append(visiting.visit.env)
                        yield self._give_up(visiting, decisions)
                    else:
                        yield from self._advance(visiting, decisions)
        finally:
            self._abandon()
            for env in (
                *(visiting.visit.env for visiting in self._running),
                *(env for idle in self._idle.values() for env in idle),
            ):
                env.close()
            self._idle.clear()
            self._running.clear()
            self._parts.clear()

    def _begin(self, key: TaskKey) -> Iterator[TaskRecord]:
        visit = self._visit(key, self._take(key))
        yield from self._start(_Visiting(visit, self._examine(visit)))

    def _begin_part(self) -> Iterator[TaskRecord]:
        part = self._parts.popleft()
        visit = replace(part.whole.visit, env=self._take(part.whole.visit.key))
        yield from self._start(_Visiting(visit, part.ask(visit), part.whole, part.place))

    def _start(self, visiting: _Visiting) -> Iterator[TaskRecord]:
        self._running.append(visiting)
        yield from self._advance(visiting, None)

    def _take(self, key: TaskKey) -> TextEnv:
        idle = self._idle[key.panel]
        return idle.pop() if idle else self._open_env(key)

    def _advance(self, visiting: _Visiting, answer: Any) -> Iterator[TaskRecord]:
        """Give a visit what it waits for; yields its task's record if that has ended."""
        try:
            asked = visiting.asking.send(answer)
        except StopIteration as ended:
            self._release(visiting)
            if visiting.whole is None:
                yield TaskRecord(str(visiting.visit.key), tuple(ended.value))
            else:
                yield from self._answer(visiting.whole, visiting.place, ended.value)
        except Exception as error:  # any failure of an environment is data
            if visiting in self._running:
                visiting.visit.env.close()
            record = self._give_up(visiting, error)
            if isinstance(error, CoTGapError) and not isinstance(
                error, (TaskUnavailableError, BackendError)
            ):
                raise
            yield record
        else:
            if isinstance(asked, Together):
                yield from self._split(visiting, asked)
            else:
                visiting.requests = asked

    def _split(self, visiting: _Visiting, asked: Together) -> Iterator[TaskRecord]:
        self._release(visiting)
        visiting.waits_for, visiting.answers = len(asked.parts), [None] * len(asked.parts)
        if asked.parts:
            parts = [_Part(visiting, place, ask) for place, ask in enumerate(asked.parts)]
            self._parts.extendleft(reversed(parts))
        else:
            yield from self._advance(visiting, [])

    def _answer(self, whole: _Visiting, place: int, answer: Any) -> Iterator[TaskRecord]:
        """Note what a part came to; the last one lets the whole go on."""
        whole.answers[place] = answer
        whole.waits_for -= 1
        if not whole.waits_for:
            yield from self._advance(whole, whole.answers)

    def _release(self, visiting: _Visiting) -> None:
        """A visit no longer needs its environment."""
        if visiting in self._running:
            self._running.remove(visiting)
            self._idle[visiting.visit.key.panel].append(visiting.visit.env)

    def _give_up(self, visiting: _Visiting, error: Exception) -> TaskRecord:
        """End a task whose visit, or a part of it, failed and no longer holds an environment."""
        task = visiting.task
        if visiting in self._running:
            self._running.remove(visiting)
        for other in [other for other in self._running if other.task is task]:
            self._release(other)
        self._parts = deque(part for part in self._parts if part.whole.task is not task)
        return TaskRecord(str(visiting.visit.key), error=f"{type(error).__name__}: {error}")

    def _decide(
        self, running: Sequence[_Visiting]
    ) -> Iterator[tuple[_Visiting, list[Decision] | Exception]]:
        """Decisions of every visit, or why there are none; one bad request spoils one visit."""
        requests = [request for visiting in running for request in visiting.requests]
        try:
            answers = iter(self._agent.decide(requests))
        except Exception as error:  # any failure of a backend is data, a caller's mistake is not
            if isinstance(error, CoTGapError) and not isinstance(error, BackendError):
                raise
            if len(running) == 1:
                yield running[0], error
                return
            for visiting in running:
                yield from self._decide([visiting])
            return
        for visiting in running:
            yield visiting, [next(answers) for _ in visiting.requests]

    def _decide_some(
        self, running: Sequence[_Visiting]
    ) -> Iterator[tuple[_Visiting, list[Decision] | Exception]]:
        """Decisions of the visits whose last one has come, if any has.

        A stream that fails has forgotten everything, so that all are asked again without it.
        """
        try:
            ready = self._collect(running)
        except Exception:
            self._abandon()
            for visiting in running:
                visiting.decisions.clear()
            yield from self._decide(running)
            return
        for visiting in ready:
            answers = [visiting.decisions[number] for number in range(len(visiting.requests))]
            visiting.decisions.clear()
            decisions = [answer for answer in answers if isinstance(answer, Decision)]
            failures = [answer for answer in answers if isinstance(answer, BackendError)]
            yield visiting, failures[0] if failures else decisions

    def _collect(self, running: Sequence[_Visiting]) -> list[_Visiting]:
        """Send what is new, and wait for something; returns what has all its decisions."""
        assert self._stream is not None
        if ready := [visiting for visiting in running if not visiting.requests]:
            return ready
        flying = {id(visiting) for visiting, _ in self._flying.values()}
        for visiting in running:
            if id(visiting) not in flying:
                tickets = self._stream.submit(visiting.requests)
                self._flying |= {t: (visiting, number) for number, t in enumerate(tickets)}
        for ticket, answer in self._stream.collect():
            visiting, number = self._flying.pop(ticket)
            request = visiting.requests[number]
            visiting.decisions[number] = (
                answer if isinstance(answer, BackendError) else self._agent.parse(request, answer)
            )
            if len(visiting.decisions) == len(visiting.requests):
                ready.append(visiting)
        return ready

    def _abandon(self) -> None:
        """Leave nothing in flight."""
        self._flying.clear()
        if self._stream is not None:
            self._stream.forget()

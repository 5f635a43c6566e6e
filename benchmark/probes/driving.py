"""Visits many tasks at once, so that their requests are decoded together."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.agent import Agent
from agents.core import BackendError, Decision, Request
from benchmark.probes.core import Asking, Row
from benchmark.probes.states import Visit
from envs.core import CoTGapError, TaskKey, TaskUnavailableError, TextEnv


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


@dataclass
class _Visiting:
    key: TaskKey
    env: TextEnv
    asking: Asking
    requests: list[Request] = field(default_factory=list)


class Driver:
    """Visits `width` tasks at a time; `examine` asks, `open_env` and `visit` make what it needs.

    Environments are used again for other tasks of their panel.
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

    def run(self, keys: Sequence[TaskKey]) -> Iterator[TaskRecord]:
        """Every task's record, as it is done.

        Failures of an environment or a backend become records; any other `CoTGapError` is a
        mistake of the caller's and is raised.
        """
        waiting, running = deque(keys), list[_Visiting]()
        try:
            while waiting or running:
                while waiting and len(running) < self._width:
                    begun = self._begin(waiting.popleft())
                    if isinstance(begun, TaskRecord):
                        yield begun
                    else:
                        running.append(begun)
                for visiting, decisions in list(self._decide(running)):
                    record = self._send(visiting, decisions)
                    if record is not None:
                        running.remove(visiting)
                        yield record
        finally:
            for env in (
                *(v.env for v in running),
                *(e for idle in self._idle.values() for e in idle),
            ):
                env.close()
            self._idle.clear()

    def _begin(self, key: TaskKey) -> _Visiting | TaskRecord:
        idle = self._idle[key.panel]
        env = idle.pop() if idle else self._open_env(key)
        visiting = _Visiting(key, env, self._examine(self._visit(key, env)))
        return self._advance(visiting, lambda: next(visiting.asking)) or visiting

    def _send(
        self, visiting: _Visiting, decisions: list[Decision] | Exception
    ) -> TaskRecord | None:
        if isinstance(decisions, Exception):
            self._idle[visiting.key.panel].append(visiting.env)
            return _failed(visiting.key, decisions)
        return self._advance(visiting, lambda: visiting.asking.send(decisions))

    def _advance(self, visiting: _Visiting, go: Callable[[], list[Request]]) -> TaskRecord | None:
        """Go on to the next requests; returns the record where there are none."""
        try:
            visiting.requests = go()
        except StopIteration as ended:
            self._idle[visiting.key.panel].append(visiting.env)
            return TaskRecord(str(visiting.key), tuple(ended.value))
        except Exception as error:  # any failure of an environment is data
            visiting.env.close()
            if isinstance(error, CoTGapError) and not isinstance(
                error, (TaskUnavailableError, BackendError)
            ):
                raise
            return _failed(visiting.key, error)
        return None

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


def _failed(key: TaskKey, error: Exception) -> TaskRecord:
    return TaskRecord(str(key), error=f"{type(error).__name__}: {error}")

"""A probe's visit of one task as a rollout, and the record that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cotgap.benchmark.probes.core import Asking, Row
from cotgap.benchmark.probes.states import Visit
from cotgap.benchmark.rollout.needs import Failure, Play
from cotgap.envs.core import CoTGapError, TaskKey


@dataclass(frozen=True)
class TaskRecord:
    """What was found in one task: its rows, or why there are none (`error`)."""

    task_key: str
    rows: tuple[Row, ...] = ()
    error: str | None = None

    @property
    def id(self) -> str:
        """What a probe's folder holds at most once."""
        return self.task_key

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


@dataclass(frozen=True)
class VisitJob:
    """A task to be visited."""

    key: TaskKey

    @property
    def id(self) -> str:
        """Matches `TaskRecord.id`."""
        return str(self.key)


class VisitRollout:
    """A visit to be played: `examine` asks, and what it finds is the record."""

    def __init__(self, visit: Visit, examine: Callable[[Visit], Asking]) -> None:
        self._visit, self._examine = visit, examine

    @property
    def key(self) -> TaskKey:
        """The task."""
        return self._visit.key

    def play(self) -> Play:
        """Returns the record with its rows."""
        rows = yield from self._examine(self._visit)
        return TaskRecord(str(self.key), tuple(rows))

    def failed(self, failure: Failure) -> TaskRecord:
        """The record that says why there are no rows."""
        return TaskRecord(str(self.key), error=failure.text)

"""What a run leaves behind: one `Episode` per played task, with every step and every decision.

Records are plain data: metrics, boards and reports are computed from them alone, without an
environment or a model at hand. `to_json` and `from_json` are inverses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

from cotgap.agents.core import NO_USAGE, Decision, Usage
from cotgap.envs.core import CoTGapError, TaskKey

SCHEMA = 1


class Status(str, Enum):
    """How an episode ended. The first three are scores; the others never count as one."""

    SUCCESS = "success"
    FAILURE = "failure"
    TRUNCATED = "truncated"
    ENV_ERROR = "env_error"
    BACKEND_ERROR = "backend_error"
    TIMEOUT = "timeout"

    @property
    def scored(self) -> bool:
        """Whether the episode counts in a rate."""
        return self in (Status.SUCCESS, Status.FAILURE, Status.TRUNCATED)


@dataclass(frozen=True)
class StepRecord:
    """One state and what was decided there.

    `observation` is what the agent saw before deciding. `decision` is the driver's and was
    executed; `shadows` are other modes' decisions at the same state. `canonical` holds the
    suite's normal form of each parsed action, by mode. `cost_to_go` holds the oracle's distance
    to success in actions: at this state under `"state"`, and after each mode's action by mode
    (None: no way left); it is empty where the suite has no oracle or nothing was shadowed.
    `reward` and `valid` are the environment's answer to the executed action.
    """

    observation: str
    decision: Decision
    reward: float
    valid: bool
    shadows: dict[str, Decision] = field(default_factory=dict)
    canonical: dict[str, str] = field(default_factory=dict)
    cost_to_go: dict[str, int | None] = field(default_factory=dict)
    env_seconds: float = 0.0

    def decision_of(self, mode: str) -> Decision | None:
        """The decision in that mode at this state, executed or shadowed."""
        return self.decision if self.decision.mode == mode else self.shadows.get(mode)


@dataclass(frozen=True)
class Episode:
    """One task, played once, driven by one mode.

    `lock` is the panel's, `fingerprint` the agent's. `final_observation` is what followed the last
    action. `score` lies in the suite's range and is None for an unscored episode, whose `error`
    says what happened. `repeat` counts from 0. `reset_seconds` is the environment's share of
    `wall_seconds` before the first step.
    """

    task_key: TaskKey
    lock: str
    fingerprint: str
    protocol: str
    mode: str
    repeat: int
    status: Status
    score: float | None
    steps: tuple[StepRecord, ...]
    final_observation: str = ""
    task_kind: str = ""
    goal: str = ""
    error: str | None = None
    usage: Usage = NO_USAGE
    reset_seconds: float = 0.0
    wall_seconds: float = 0.0
    schema: int = SCHEMA

    @property
    def id(self) -> tuple[str, str, int]:
        """(task key, mode, repeat): what a run holds at most once."""
        return str(self.task_key), self.mode, self.repeat

    @property
    def success(self) -> bool:
        """Whether it ended in success (False for unscored episodes too: check `status.scored`)."""
        return self.status is Status.SUCCESS

    def to_json(self) -> dict[str, Any]:
        """A JSON-able mapping."""
        data = asdict(self)
        data["task_key"] = str(self.task_key)
        data["status"] = self.status.value
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Episode:
        """The inverse of `to_json`; raises `CoTGapError` on another schema or malformed data."""
        if not isinstance(data, Mapping):
            raise CoTGapError(f"malformed episode record: {type(data).__name__}, not an object")
        if data.get("schema") != SCHEMA:
            raise CoTGapError(
                f"episode record of schema {data.get('schema')!r}; this version reads {SCHEMA}"
            )
        try:
            fields = dict(data)
            fields["task_key"] = TaskKey.parse(fields["task_key"])
            fields["status"] = Status(fields["status"])
            fields["usage"] = Usage(**fields["usage"])
            fields["steps"] = tuple(_step(step) for step in fields["steps"])
            if fields["status"].scored and not isinstance(fields["score"], int | float):
                raise ValueError(f"score {fields['score']!r} of an episode that has one")
            return cls(**fields)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CoTGapError(
                f"malformed episode record: {type(error).__name__}: {error}"
            ) from error


def _step(data: Mapping[str, Any]) -> StepRecord:
    fields = dict(data)
    fields["decision"] = _decision(fields["decision"])
    fields["shadows"] = {mode: _decision(shadow) for mode, shadow in fields["shadows"].items()}
    return StepRecord(**fields)


def _decision(data: Mapping[str, Any]) -> Decision:
    return Decision(**{**data, "usage": Usage(**data["usage"])})

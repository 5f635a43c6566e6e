"""What a run leaves behind: one `Episode` per played task, with every step and every decision.

Records are plain data: metrics, boards and reports are computed from them alone, without an
environment or a model at hand.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from pydantic import model_validator
from typing_extensions import Self

from cotgap.agents.core import NO_USAGE, Decision, Usage
from cotgap.envs.schema import Count, Items, Key, Label, Line, Record, Score, Seconds


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
class StepRecord(Record):
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
    reward: Score
    valid: bool
    shadows: dict[Label, Decision] = field(default_factory=dict)
    canonical: dict[Label, str] = field(default_factory=dict)
    cost_to_go: dict[Label, Count | None] = field(default_factory=dict)
    env_seconds: Seconds = field(default=0.0, compare=False)

    def decision_of(self, mode: str) -> Decision | None:
        """The decision in that mode at this state, executed or shadowed."""
        return self.decision if self.decision.mode == mode else self.shadows.get(mode)


@dataclass(frozen=True)
class Episode(Record):
    """One task, played once, driven by one mode.

    `lock` is the panel's, `fingerprint` the agent's. `final_observation` is what followed the last
    action. `score` lies in the suite's range and is None for an unscored episode, whose `error`
    says what happened. `repeat` counts from 0. `reset_seconds` is the environment's share of
    `wall_seconds` before the first step. Episodes that differ in circumstances alone (times, cached
    tokens) are equal: a run that was stopped and went on has the same.
    """

    task_key: Key
    lock: Label
    fingerprint: Label
    protocol: Label
    mode: Label
    repeat: Count
    status: Status
    score: Score | None
    steps: Items[StepRecord]
    final_observation: str = ""
    task_kind: Line = ""
    goal: str = ""
    error: str | None = None
    usage: Usage = NO_USAGE
    reset_seconds: Seconds = field(default=0.0, compare=False)
    wall_seconds: Seconds = field(default=0.0, compare=False)
    schema: Literal[1] = 1

    @property
    def id(self) -> tuple[str, str, int]:
        """(task key, mode, repeat): what a run holds at most once."""
        return str(self.task_key), self.mode, self.repeat

    @property
    def success(self) -> bool:
        """Whether it ended in success (False for unscored episodes too: check `status.scored`)."""
        return self.status is Status.SUCCESS

    @model_validator(mode="after")
    def _has_its_score(self) -> Self:
        if self.status.scored and self.score is None:
            raise ValueError(f"lacks the score of a {self.status.value}")
        return self

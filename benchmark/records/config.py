"""What a run does, resolved: every choice that can change a record, and the digest over it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from cotgap.agents.core import Sampling
from cotgap.agents.modes import modes
from cotgap.envs.core import CoTGapError, Panel
from cotgap.envs.schema import (
    Count,
    Free,
    Items,
    Label,
    Positive,
    Real,
    Record,
    check_distinct,
    foreign,
    line,
)
from cotgap.envs.text import to_json

Shadow = Literal["auto", "all"]
TaskId = Annotated[str, line(300, least=1)]


@dataclass(frozen=True)
class Limits(Record):
    """Bounds on a decision and an episode.

    `action_tokens` and `thought_tokens` bound what a mode may write (a mode that does not reason
    has only the former). `timeout` is in wall seconds an episode; one that is over it is recorded
    as `timeout`, which is no score.
    """

    action_tokens: Positive = 64
    thought_tokens: Count = 448
    timeout: Real | None = None

    def __post_init__(self) -> None:
        if self.timeout is not None and not 0 < self.timeout < math.inf:
            raise CoTGapError(f"--timeout {self.timeout}: give seconds, more than 0")


@dataclass(frozen=True)
class PanelPlan(Record):
    """A panel as a run plays it: its lock, and which of its tasks (a prefix of its order)."""

    name: Label
    lock: Label
    step_limit: Positive
    size: Positive
    tasks: Annotated[Items[TaskId], foreign(check_distinct)]


@dataclass(frozen=True)
class RunConfig(Record):
    """Everything a run's records depend on. Two runs with one digest must agree.

    `agent` is the agent's description (backend, dtype, fingerprint, ...). `modes` drive episodes,
    in this order. `shadow` "auto" records as shadows, in episodes that one of `modes` drives, those
    before it; "all" records every mode there is in all of them. `seed` decides sampling.
    """

    agent: Free
    protocol: Label
    modes: Annotated[Items[Label], foreign(check_distinct)]
    shadow: Shadow
    panels: Items[PanelPlan]
    repeats: Positive
    sampling: Sampling
    limits: Limits
    seed: int

    def shadows_of(self, driver: str) -> tuple[str, ...]:
        """The modes recorded as shadows in episodes that `driver` drives."""
        if self.shadow == "all":
            return tuple(mode for mode in modes() if mode != driver)
        return self.modes[: self.modes.index(driver)]

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the whole configuration."""
        return digest_of(self.to_json())


def digest_of(config: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of a configuration as `RunConfig.to_json` writes it."""
    text = json.dumps(config, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def plan_panel(panel: Panel, episodes: int | None, max_steps: int | None) -> PanelPlan:
    """The first `episodes` tasks of a panel (all by default), under `max_steps` if given.

    Panels are in an order that mixes task kinds, so that a prefix is a fair sample.
    """
    if episodes is not None and episodes < 1:
        raise CoTGapError(f"--episodes {episodes}: give a number of tasks per panel, at least 1")
    if max_steps is not None and max_steps < 1:
        raise CoTGapError(f"--max-steps {max_steps}: give a number of actions, at least 1")
    limited = panel.with_step_limit(max_steps)
    tasks = tuple(task.id for task in panel.tasks[:episodes])
    return PanelPlan(panel.name, limited.lock, limited.step_limit, len(panel), tasks)


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The fields in which two configurations differ, as `path: old → new`.

    Lists of things with names are compared by name.
    """
    found: list[str] = []
    for name in sorted({*old, *new}):
        path = f"{prefix}{name}"
        before, after = _by_name(old.get(name)), _by_name(new.get(name))
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += differences(before, after, f"{path}.")
        elif before != after:
            found.append(f"{path}: {_short(before)} → {_short(after)}")
    return found


def _by_name(value: Any) -> Any:
    named = isinstance(value, list) and all(isinstance(v, Mapping) and "name" in v for v in value)
    return {one["name"]: one for one in value} if value and named else value


def _short(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 4:
        return f"{len(value)} items"
    text = to_json(value)
    return text if len(text) <= 120 else f"{text[:117]}..."

"""What an entry played, by what makes its numbers comparable with another's.

Numbers stand in one table only where their `Setting` is the same: panel, lock, step limit, the
very tasks, protocol, repeats, sampling and token limits. Who played on what (backend, dtype,
hardware) and how it was checked (tier) stand beside the numbers; they divide no table.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from cotgap.benchmark.records.config import PanelPlan
from cotgap.benchmark.records.episode import Episode
from cotgap.leaderboards.schema import Entry, SubmittedRun

SCRIPTED = {"random": "floor", "noop": "floor", "expert": "ceiling"}
"""Scripted agents that bound what a panel can show; they stand beside a table, never in it."""


@dataclass(frozen=True, order=True)
class Setting:
    """What two numbers must share to be compared. `top_p` is 1 where decoding is greedy.

    `tasks` are the ids that were played, in the panel's order; `size` counts all of the panel's.
    """

    panel: str
    protocol: str
    tasks: tuple[str, ...]
    repeats: int
    temperature: float
    top_p: float
    action_tokens: int
    thought_tokens: int
    step_limit: int
    size: int
    lock: str

    @property
    def suite(self) -> str:
        """The part of the panel's name before the slash."""
        return self.panel.partition("/")[0]

    @property
    def conditions(self) -> tuple[str | float, ...]:
        """What is the same for all panels of a run."""
        sampling = (self.temperature, self.top_p)
        return (self.protocol, self.repeats, *sampling, self.action_tokens, self.thought_tokens)

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that name it."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]


@dataclass(frozen=True)
class Played:
    """One entry's episodes in one setting, every planned one of them scored."""

    entry: Entry
    setting: Setting
    agent: Mapping[str, Any]
    episodes: tuple[Episode, ...]

    @property
    def modes(self) -> tuple[str, ...]:
        """The modes that drove episodes, by name."""
        return tuple(sorted({episode.mode for episode in self.episodes}))

    @property
    def backend(self) -> str:
        """What decoded."""
        return str(self.agent.get("backend", ""))

    @property
    def dtype(self) -> str:
        """The precision it was decoded in, as far as it was told."""
        return str(self.agent.get("dtype") or "")

    @property
    def scripted(self) -> str:
        """The name in `SCRIPTED`, empty for all other agents."""
        policy = str(self.agent.get("policy", ""))
        return policy if self.backend == "scripted" and policy in SCRIPTED else ""


@dataclass(frozen=True)
class LeftOut:
    """An entry, or one of its panels, that no board takes, and why."""

    slug: str
    panel: str
    reason: str


def played(entry: Entry) -> tuple[list[Played], list[LeftOut]]:
    """Everything that the boards take of an entry, and everything that they do not.

    Runs that share a setting and differ in their modes are one. A panel with a planned episode
    that lacks a score, or with an episode that occurs twice, is left out as a whole.
    """
    groups: dict[Setting, list[tuple[SubmittedRun, PanelPlan]]] = {}
    for run in entry.submission.runs:
        for plan in run.config.panels:
            groups.setdefault(setting_of(run, plan), []).append((run, plan))
    taken, left = [], []
    for setting, parts in sorted(groups.items(), key=lambda item: item[0]):
        episodes = [e for run, plan in parts for e in _of_plan(run, plan)]
        planned = [key for run, plan in parts for key in _planned(run, plan)]
        if reason := _reason(planned, episodes):
            left.append(LeftOut(entry.slug, setting.panel, reason))
        else:
            agent = parts[0][0].config.agent
            taken.append(Played(entry, setting, agent, tuple(episodes)))
    return taken, left


def setting_of(run: SubmittedRun, plan: PanelPlan) -> Setting:
    """The setting in which a run played one of its panels."""
    config = run.config
    temperature = float(config.sampling.temperature)
    return Setting(
        panel=plan.name,
        protocol=config.protocol,
        tasks=plan.tasks,
        repeats=config.repeats,
        temperature=temperature,
        top_p=float(config.sampling.top_p) if temperature else 1.0,
        action_tokens=config.limits.action_tokens,
        thought_tokens=config.limits.thought_tokens,
        step_limit=plan.step_limit,
        size=plan.size,
        lock=plan.lock,
    )


def _of_plan(run: SubmittedRun, plan: PanelPlan) -> Iterable[Episode]:
    return (e for e in run.episodes if (e.task_key.panel, e.lock) == (plan.name, plan.lock))


def _planned(run: SubmittedRun, plan: PanelPlan) -> Iterable[tuple[str, str, int]]:
    """What a run plays: its tasks with seed 0, in every mode and repeat."""
    return (
        (f"{plan.name}/{task}#0", mode, repeat)
        for task in plan.tasks
        for mode in run.config.modes
        for repeat in range(run.config.repeats)
    )


def _reason(planned: list[tuple[str, str, int]], episodes: list[Episode]) -> str:
    """Why no board takes these episodes; empty where there is no reason."""
    found = Counter(episode.id for episode in episodes)
    if set(found) - set(planned):
        return f"{len(set(found) - set(planned))} episodes were not planned"
    if max(Counter(planned).values()) > 1 or max(found.values(), default=0) > 1:
        return "an episode occurs more than once"
    scored = sum(episode.status.scored for episode in episodes)
    if scored < len(planned):
        return f"incomplete: {scored} of {len(planned)} episodes have a score"
    return ""

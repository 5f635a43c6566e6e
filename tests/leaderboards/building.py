"""Entries in memory, from episodes: no environment, no file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from cotgap.agents.core import Sampling
from cotgap.benchmark.records.config import Limits, PanelPlan, RunConfig
from cotgap.benchmark.records.episode import Episode
from cotgap.envs.core import CoTGapError, TaskKey
from cotgap.envs.registry import get_panel
from cotgap.leaderboards.schema import Entrant, Entry, Receipt, Submission, SubmittedRun, Tier
from tests.benchmark.building import random_run

TRAINED = {"suite": "toy", "panel": "toy/train", "kinds": ["unlock"], "wording": "default"}
CARD = {"trained_on": [TRAINED]}


def run_of(
    episodes: Sequence[Episode],
    *,
    agent: Mapping[str, Any] | None = None,
    repeats: int | None = None,
    temperature: float = 0.0,
    size: int | None = None,
    step_limit: int | None = None,
) -> SubmittedRun:
    """A run that planned just these episodes, in their order.

    By default they are all of their panel, under its own step limit where the panel is known.
    """
    plans = tuple(
        PanelPlan(panel, lock, step_limit or _limit(panel), size or len(tasks), tasks)
        for panel, lock in dict.fromkeys((e.task_key.panel, e.lock) for e in episodes)
        for tasks in [
            tuple(dict.fromkeys(e.task_key.task for e in episodes if e.task_key.panel == panel))
        ]
    )
    config = RunConfig(
        agent={"name": "agent", "fingerprint": "f" * 64, "backend": "made", **(agent or {})},
        protocol=episodes[0].protocol,
        modes=tuple(dict.fromkeys(e.mode for e in episodes)),
        shadow="auto",
        panels=plans,
        repeats=repeats or max(e.repeat for e in episodes) + 1,
        sampling=Sampling(temperature),
        limits=Limits(),
        seed=0,
    )
    return SubmittedRun("d" * 64, config, ({"cotgap": "0"},), {}, tuple(episodes))


def _limit(panel: str) -> int:
    try:
        return get_panel(panel).step_limit
    except CoTGapError:
        return 50


def entry_of(
    slug: str,
    *runs: SubmittedRun,
    name: str = "",
    tier: Tier = "self-reported",
    card: Mapping[str, Any] | None = None,
    **entrant: str,
) -> Entry:
    receipt = None if tier == "self-reported" else Receipt("a" * 64, tier, "2026-01-02")
    return Entry(slug, Submission(Entrant(name or slug, card=card, **entrant), runs), receipt)


def moved(episodes: Sequence[Episode], panel: str, lock: str = "lock") -> list[Episode]:
    """The same episodes on another panel."""
    suite, _, split = panel.partition("/")
    return [
        replace(e, task_key=TaskKey(suite, split, e.task_key.task), lock=lock) for e in episodes
    ]


def some_entry(slug: str, seed: int, **options: Any) -> Entry:
    """A random agent on an in-domain and a held-out panel, as a card says."""
    inside, outside = random_run(seed, repeats=1), random_run(seed + 100, repeats=1)
    episodes = [*moved(inside, "toy/id"), *moved(outside, "toy/ood_layout")]
    return entry_of(slug, run_of(episodes), card=CARD, **options)

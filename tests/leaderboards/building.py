"""Entries in memory, from episodes: no environment, no file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from cotgap.agents.core import Sampling
from cotgap.benchmark.records.episode import Episode
from cotgap.envs.core import CoTGapError, TaskKey
from cotgap.envs.registry import get_panel
from cotgap.leaderboards.schema import Entrant, Entry, Receipt, Submission, SubmittedRun, Tier
from tests.benchmark.building import TRAINED, config_of, modes_of, plans_of, random_run

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
        replace(
            plan,
            size=size or len(plan.tasks),
            step_limit=step_limit or _limit(plan.name) or plan.step_limit,
        )
        for plan in plans_of(episodes)
    )
    config = config_of(
        plans,
        modes_of(episodes),
        agent={"name": "agent", "fingerprint": "f" * 64, "backend": "made", **(agent or {})},
        protocol=episodes[0].protocol,
        repeats=repeats or max(e.repeat for e in episodes) + 1,
        sampling=Sampling(temperature),
    )
    return SubmittedRun("d" * 64, config, ({"cotgap": "0"},), {}, tuple(episodes))


def _limit(panel: str) -> int | None:
    try:
        return get_panel(panel).step_limit
    except CoTGapError:
        return None


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

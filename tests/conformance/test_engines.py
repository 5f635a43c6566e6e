"""What every engine owes its users: the same records as the local one, from the same jobs."""

from __future__ import annotations

import importlib.util
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cotgap.agents.core import Sampling
from cotgap.benchmark.records.config import Limits, RunConfig, plan_panel
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.rollout.engines import engines, open_site
from cotgap.benchmark.rollout.engines.core import AgentRecipe, Order, Placement, Site
from cotgap.benchmark.rollout.episode import EpisodeRules, Job
from cotgap.benchmark.rollout.runner import plan
from cotgap.envs.core import CoTGapError, UnknownNameError
from cotgap.envs.registry import get_panel
from tests.benchmark.test_run import timeless

PACKAGES = {"ray": "ray"}  # engine → what it needs to be installed
PANELS = ("toy/ood_layout", "household/id")


@pytest.fixture(scope="module", params=engines())
def engine(request: pytest.FixtureRequest) -> str:
    package = PACKAGES.get(request.param)
    if package and importlib.util.find_spec(package) is None:
        assert not os.environ.get("CI"), f"{package} is not installed"
        pytest.skip(f"{package} is not installed")
    return request.param


@pytest.fixture(scope="module")
def site(engine: str) -> Iterator[Site]:
    opened = open_site(engine, AgentRecipe("noisy"), Placement())
    yield opened
    opened.close()


def configure(site: Site, tasks: int = 4) -> RunConfig:
    return RunConfig(
        agent=site.card.description,
        protocol=str(site.card.protocol),
        modes=("prompt", "cot"),
        shadow="auto",
        panels=tuple(plan_panel(get_panel(name), tasks, 20) for name in PANELS),
        repeats=2,
        sampling=Sampling(),
        limits=Limits(),
        seed=3,
    )


def order(config: RunConfig, width: int) -> Order[Job, Episode]:
    return Order(EpisodeRules(config), width)


def content(episodes: list[Episode]) -> dict[tuple[str, str, int], Any]:
    return {e.id: timeless(json.loads(json.dumps(e.to_json()))) for e in episodes}


def test_records_are_those_of_the_local_engine(site: Site) -> None:
    config = configure(site)
    steps: Counter[str] = Counter()
    episodes = list(site.play(order(config, 3), plan(config), lambda: steps.update(["taken"])))
    assert len(episodes) == 32
    assert steps["taken"] == sum(len(episode.steps) for episode in episodes)
    local = open_site("local", AgentRecipe("noisy"), Placement())
    assert site.card == local.card
    alone = list(local.play(order(config, 1), plan(config), lambda: None))
    assert content(episodes) == content(alone)
    assert site.times.model > 0
    assert site.times.environments > 0


def test_nothing_to_play(site: Site) -> None:
    assert list(site.play(order(configure(site), 3), [], lambda: None)) == []


def test_what_cannot_be_made_is_a_message(engine: str) -> None:
    with pytest.raises(CoTGapError, match="unknown agent 'exprt'") as raised:
        open_site(engine, AgentRecipe("exprt"), Placement()).close()
    assert "Traceback" not in str(raised.value)


def test_other_placements_are_refused_by_name() -> None:
    with pytest.raises(CoTGapError, match="--workers"):
        open_site("local", AgentRecipe("noisy"), Placement(workers=2))
    with pytest.raises(UnknownNameError, match="local"):
        open_site("locale", AgentRecipe("noisy"), Placement())


def test_every_engine_is_a_file_with_a_site() -> None:
    folder = Path(importlib.import_module("cotgap.benchmark.rollout.engines").__file__ or "").parent
    assert engines() == sorted(p.stem for p in folder.glob("[a-z]*.py") if p.stem != "core")
    for name in engines():
        assert callable(importlib.import_module(f"cotgap.benchmark.rollout.engines.{name}").SITE)

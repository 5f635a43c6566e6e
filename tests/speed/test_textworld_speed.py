"""Our environment and TextWorld's own, timed on the same game in the same run.

`pytest tests/speed/test_textworld_speed.py --benchmark-only` prints the groups. Both list the
admissible commands; TextWorld's reads them from its files, ours from the cache.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from cotgap.envs.textworld import SUITE
from cotgap.envs.textworld.env import TextWorldEnv
from cotgap.envs.textworld.panels import games_of

COMMANDS = ("look", "inventory", "examine me", "go north", "go south", "go east", "go west")
TASK = next(game.task.id for game in games_of("id") if game.task.kind == "cooking")


@pytest.fixture
def ours() -> Iterator[TextWorldEnv]:
    now = SUITE.availability()
    if not now.usable:
        assert not os.environ.get("CI"), f"{now.reason}. Fix: {now.fix}"
        pytest.skip(f"{now.reason}. Fix: {now.fix}")
    env = SUITE.make()
    env.reset(options={"task": TASK})
    yield env
    env.close()


@pytest.fixture
def stock(ours: TextWorldEnv, tmp_path: Path) -> Iterator[Any]:
    import textworld

    story = Path(shutil.copy(ours.game.story, tmp_path / "tw-game.z8"))
    story.with_suffix(".json").write_text(json.dumps(ours.game.data))
    env = textworld.start(
        str(story), request_infos=textworld.EnvInfos(admissible_commands=True, score=True)
    )
    env.reset()
    yield env
    env.close()


@pytest.mark.benchmark(group="textworld: reset")
def test_reset_ours(benchmark: BenchmarkFixture, ours: TextWorldEnv) -> None:
    benchmark(lambda: ours.reset(options={"task": TASK}))


@pytest.mark.benchmark(group="textworld: reset")
def test_reset_stock(benchmark: BenchmarkFixture, stock: Any) -> None:
    benchmark(stock.reset)


@pytest.mark.benchmark(group="textworld: step + admissible")
def test_step_ours(benchmark: BenchmarkFixture, ours: TextWorldEnv) -> None:
    commands = cycle(COMMANDS)
    benchmark.pedantic(lambda: ours.step(next(commands)), rounds=300, warmup_rounds=7)  # type: ignore[no-untyped-call]


@pytest.mark.benchmark(group="textworld: step + admissible")
def test_step_stock(benchmark: BenchmarkFixture, stock: Any) -> None:
    commands = cycle(COMMANDS)
    benchmark.pedantic(lambda: stock.step(next(commands)), rounds=300, warmup_rounds=7)  # type: ignore[no-untyped-call]

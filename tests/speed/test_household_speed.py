"""Our engine and the stock one, timed on the same games in the same run.

`make bench` prints the groups; `python -m tools.household.speed` prints the ratios in one
table, with the memory, which is bounded here too.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from itertools import cycle
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from cotgap.envs.household import World, load_game
from cotgap.envs.household.rules import ALFWorldMissingError
from tools.household.parity import sample
from tools.household.speed import memory_growth, walk
from tools.household.stock import StockGame


@pytest.fixture(scope="module")
def path(alfworld_data: Path) -> Path:
    return sample(list(alfworld_data.glob("json_2.1.1/valid_unseen/*/*/game.tw-pddl")), 1)[0]


@pytest.fixture(scope="module")
def stock(path: Path) -> StockGame:
    try:
        return StockGame(json.loads(path.read_text()))
    except ALFWorldMissingError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.mark.benchmark(group="load + reset")
def test_load_and_reset_ours(benchmark: BenchmarkFixture, path: Path) -> None:
    benchmark(lambda: World(load_game(path)).reset())


@pytest.mark.benchmark(group="load + reset")
def test_load_and_reset_stock(benchmark: BenchmarkFixture, path: Path, stock: StockGame) -> None:
    data = json.loads(path.read_text())
    benchmark.pedantic(lambda: StockGame(data).reset(), rounds=3)  # type: ignore[no-untyped-call]


@pytest.mark.benchmark(group="warm reset")
def test_warm_reset_ours(benchmark: BenchmarkFixture, path: Path) -> None:
    benchmark(World(load_game(path)).reset)


@pytest.mark.benchmark(group="warm reset")
def test_warm_reset_stock(benchmark: BenchmarkFixture, stock: StockGame) -> None:
    benchmark.pedantic(stock.reset, rounds=3)  # type: ignore[no-untyped-call]


@pytest.mark.benchmark(group="step + admissible")
def test_step_ours(benchmark: BenchmarkFixture, path: Path) -> None:
    world, commands = World(load_game(path)), cycle(walk(path, 40))

    def step() -> None:
        world.step(next(commands))
        world.admissible()

    benchmark(step)


@pytest.mark.benchmark(group="step + admissible")
def test_step_stock(benchmark: BenchmarkFixture, path: Path, stock: StockGame) -> None:
    stock.reset()
    commands = cycle(walk(path, 40))
    benchmark.pedantic(lambda: stock.step(next(commands)), rounds=40)  # type: ignore[no-untyped-call]


def test_memory_does_not_grow_with_resets(alfworld_data: Path) -> None:
    paths = sorted(alfworld_data.glob("json_2.1.1/train/*/*/game.tw-pddl"))[:800]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(memory_growth, (paths, 2_500)) <= 2.0

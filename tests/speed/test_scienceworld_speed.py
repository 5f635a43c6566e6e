"""Our environment and the package, timed on the same actions in the same run.

`pytest tests/speed/test_scienceworld_speed.py --benchmark-only` prints the groups. "package"
is its environment as its users call it (which lists the valid actions at every step), "calls" the
fewest calls of the simulator that give text and score.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from cotgap.envs.scienceworld import SUITE
from cotgap.envs.scienceworld.env import ScienceWorldEnv, gold_path
from cotgap.envs.scienceworld.java import Simulator

TASK, VARIATION = "grow-plant", 93
ITEM = f"{TASK}/{VARIATION}"


@pytest.fixture(scope="module")
def env() -> Iterator[ScienceWorldEnv]:
    now = SUITE.availability()
    if not now.usable:
        assert not os.environ.get("CI"), f"{now.reason}. Fix: {now.fix}"
        pytest.skip(f"{now.reason}. Fix: {now.fix}")
    made = SUITE.make()
    made.reset(options={"task": ITEM})
    yield made
    made.close()


@pytest.fixture(scope="module")
def simulator(env: ScienceWorldEnv) -> Simulator:
    assert env._simulator is not None
    return env._simulator


@pytest.fixture(scope="module")
def package(env: ScienceWorldEnv) -> Iterator[Any]:
    from scienceworld import ScienceWorldEnv as Stock

    stock = Stock("", envStepLimit=1_000_000)
    stock.load(TASK, VARIATION, "easy")
    yield stock
    stock.close()


def ours_start(env: ScienceWorldEnv) -> None:
    env.reset(options={"task": ITEM})


def calls_start(server: Any) -> None:
    server.load(TASK, VARIATION, "easy", False)
    server.getTaskDescription()
    server.step("look around")
    server.getScore()


def calls_step(server: Any, action: str) -> None:
    server.step(action)
    server.getScore()


def stepper(step: Callable[[str], object]) -> Callable[[], object]:
    actions = cycle(gold_path(ITEM, "easy"))
    return lambda: step(next(actions))


@pytest.mark.benchmark(group="reset")
def test_reset_ours(benchmark: BenchmarkFixture, env: ScienceWorldEnv) -> None:
    benchmark.pedantic(lambda: ours_start(env), rounds=30, warmup_rounds=5)  # type: ignore[no-untyped-call]


@pytest.mark.benchmark(group="reset")
def test_reset_calls(benchmark: BenchmarkFixture, simulator: Simulator) -> None:
    start = lambda: calls_start(simulator._server)  # noqa: E731
    benchmark.pedantic(start, rounds=30, warmup_rounds=5)  # type: ignore[no-untyped-call]


@pytest.mark.benchmark(group="reset")
def test_reset_package(benchmark: BenchmarkFixture, package: Any) -> None:
    def start() -> None:
        package.load(TASK, VARIATION, "easy")
        package.reset()

    benchmark.pedantic(start, rounds=30, warmup_rounds=5)  # type: ignore[no-untyped-call]


@pytest.mark.benchmark(group="step")
def test_step_ours(benchmark: BenchmarkFixture, env: ScienceWorldEnv) -> None:
    ours_start(env)
    benchmark.pedantic(stepper(env.step), rounds=130, warmup_rounds=70)  # type: ignore[no-untyped-call]


@pytest.mark.benchmark(group="step")
def test_step_calls(benchmark: BenchmarkFixture, simulator: Simulator) -> None:
    calls_start(simulator._server)
    step = stepper(lambda action: calls_step(simulator._server, action))
    benchmark.pedantic(step, rounds=130, warmup_rounds=70)  # type: ignore[no-untyped-call]


@pytest.mark.benchmark(group="step")
def test_step_package(benchmark: BenchmarkFixture, package: Any) -> None:
    package.reset()
    benchmark.pedantic(stepper(package.step), rounds=130, warmup_rounds=70)  # type: ignore[no-untyped-call]


@pytest.mark.benchmark(group="valid actions")
def test_valid_actions_ours(benchmark: BenchmarkFixture, env: ScienceWorldEnv) -> None:
    ours_start(env)
    benchmark.pedantic(env.admissible_actions, rounds=30, warmup_rounds=5)  # type: ignore[no-untyped-call]


@pytest.mark.benchmark(group="valid actions")
def test_valid_actions_package(benchmark: BenchmarkFixture, package: Any) -> None:
    package.reset()
    list_them = package.get_valid_action_object_combinations
    benchmark.pedantic(list_them, rounds=30, warmup_rounds=5)  # type: ignore[no-untyped-call]

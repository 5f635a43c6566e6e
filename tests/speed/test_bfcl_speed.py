"""Our BFCL environment and the package's own executor, timed on the same calls in the same run."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from cotgap.envs.bfcl.backend import official
from cotgap.envs.bfcl.data import Item, load_item
from cotgap.envs.bfcl.env import BFCLEnv
from cotgap.envs.bfcl.suite import SUITE
from tests.envs.bfcl import need_package

TASKS = 40


@pytest.fixture(scope="module", params=["base", "long_context"])
def env(request: pytest.FixtureRequest) -> BFCLEnv:
    need_package()
    return SUITE.make(SUITE.panels[request.param])


@pytest.fixture(scope="module")
def names() -> Iterator[str]:
    """Names that the package has no instances of yet."""
    return (f"speed{number}" for number in itertools.count())


def load(env: BFCLEnv) -> list[Item]:
    return [load_item(env.panel, task) for task in env.panel.tasks[:TASKS]]


def execute(item: Item, name: str, calls: list[str]) -> Any:
    return official().executor.execute_multi_turn_func_call(
        calls,
        item.entry["initial_config"],
        list(item.classes),
        name,
        item.entry["id"],
        long_context=item.long_context,
    )


def forget() -> None:
    found = vars(official().executor)
    for name in [name for name in found if name.startswith("speed")]:
        del found[name]


@pytest.mark.benchmark(group="bfcl reset")
def test_reset_ours(benchmark: BenchmarkFixture, env: BFCLEnv) -> None:
    tasks = itertools.cycle([task.id for task in env.panel.tasks[:TASKS]])
    benchmark.pedantic(lambda: env.reset(options={"task": next(tasks)}), rounds=400)


@pytest.mark.benchmark(group="bfcl reset")
def test_reset_package(benchmark: BenchmarkFixture, env: BFCLEnv, names: Iterator[str]) -> None:
    items = itertools.cycle(load(env))
    benchmark.pedantic(lambda: execute(next(items), next(names), []), rounds=400)
    forget()


@pytest.mark.benchmark(group="bfcl ground truths: reset, every call and the verdict")
def test_episodes_ours(benchmark: BenchmarkFixture, env: BFCLEnv) -> None:
    actions = {}
    for task in env.panel.tasks[:TASKS]:
        env.reset(options={"task": task.id})
        over = False
        while not over:
            actions.setdefault(task.id, []).append(env.expert_action())
            _, _, over, _, _ = env.step(actions[task.id][-1])

    def play() -> None:
        for task, texts in actions.items():
            env.reset(options={"task": task})
            for text in texts:
                *_, info = env.step(text)
            assert info["won"]

    benchmark.pedantic(play, rounds=5)


@pytest.mark.benchmark(group="bfcl ground truths: reset, every call and the verdict")
def test_episodes_package(benchmark: BenchmarkFixture, env: BFCLEnv, names: Iterator[str]) -> None:
    items = load(env)

    def play() -> None:
        for item in items:
            name = next(names)
            execute(item, name, [])
            for turn in item.truth:
                for call in turn:
                    execute(item, name, [call])
            turns = [[[call] for call in turn] for turn in item.truth]
            truth = [list(turn) for turn in item.truth]
            entry = dict(item.entry)
            checker = official().checker.multi_turn_checker
            assert checker(turns, truth, entry, "", f"{name}_checked")["valid"]

    benchmark.pedantic(play, rounds=5)
    forget()
    official().restore()


@pytest.mark.benchmark(group="bfcl step")
def test_step_ours(benchmark: BenchmarkFixture, env: BFCLEnv) -> None:
    env.reset(options={"task": env.panel.tasks[0].id})
    (name, *_) = [doc["name"] for doc in env.episode.shown if not doc["parameters"]["required"]]

    def step() -> None:
        env.step(f"[{name}()]")
        env.episode.steps = 0  # of this turn: it would end the episode

    benchmark(step)


@pytest.mark.benchmark(group="bfcl step")
def test_step_package(benchmark: BenchmarkFixture, env: BFCLEnv, names: Iterator[str]) -> None:
    env.reset(options={"task": env.panel.tasks[0].id})
    (function, *_) = [d["name"] for d in env.episode.shown if not d["parameters"]["required"]]
    item, name = env.episode.item, next(names)
    benchmark(lambda: execute(item, name, [f"{function}()"]))
    forget()

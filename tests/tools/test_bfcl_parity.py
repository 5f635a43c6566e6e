"""BFCL against the package's own harness: the same texts and the same verdicts."""

from __future__ import annotations

from collections import Counter

import pytest

from cotgap.envs.bfcl.data import SPLITS
from cotgap.envs.bfcl.suite import SUITE
from tests.envs.bfcl import need_package
from tools.bfcl.parity import MUTATIONS, compare, replay

REPLAYED = 50  # of each category; `python -m tools.bfcl replay` plays all 200
MUTATED = 90


@pytest.fixture(autouse=True)
def _package() -> None:
    need_package()


@pytest.mark.parametrize("split", SPLITS)
def test_the_expert_wins_every_task(split: str) -> None:
    panel = SUITE.panels[split]
    env = SUITE.make(panel)
    for task in panel.tasks:
        env.reset(options={"task": task.id})
        over = False
        while not over:
            observation, _, terminated, truncated, info = env.step(env.expert_action())
            assert info["valid"]
            assert observation in env.observation_space
            over = terminated or truncated
        assert info["won"], task.id


@pytest.mark.parametrize("split", SPLITS)
def test_ground_truths_fare_as_in_the_package(split: str) -> None:
    for task in replay(SUITE.panels[split], REPLAYED):
        assert task.ours == task.package, task
        assert task.package, f"the package rejects {task}"
        assert task.same_texts, task


@pytest.mark.parametrize("split", SPLITS)
def test_verdicts_on_mutated_sequences_are_the_package_s(split: str) -> None:
    found = list(compare(SUITE.panels[split], MUTATED))
    assert [pair for pair in found if pair.ours != pair.package] == []
    accepted = Counter(pair.package for pair in found)
    assert min(accepted[True], accepted[False]) > MUTATED / 5, "a comparison of one verdict only"
    assert {pair.mutation for pair in found} == set(MUTATIONS)

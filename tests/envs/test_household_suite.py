"""The household suite: its panels, and the games of any seed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import cast

import gymnasium
import pytest

from cotgap import envs
from cotgap.envs.core import Endless, Task, TaskUnavailableError, UnknownNameError
from cotgap.envs.household import HouseholdSuite
from cotgap.envs.household.generator import AXES, games, generate, task_id
from cotgap.envs.household.wording import REPHRASED

ROOT = Path(__file__).parents[2]
SUITE = envs.get_suite("household")


def test_panels() -> None:
    assert isinstance(SUITE, HouseholdSuite)
    assert list(SUITE.panels) == [
        "id", "ood_layout", "ood_object", "ood_task", "ood_wording", "ood_horizon", "train",
    ]  # fmt: skip
    assert all(len(panel) == 200 for panel in SUITE.panels.values())
    assert SUITE.make().panel.name == "household/id"
    assert SUITE.extra is None
    assert SUITE.availability().usable
    limits = {split: panel.step_limit for split, panel in SUITE.panels.items()}
    assert limits == {**dict.fromkeys(AXES, 50), "ood_horizon": 100}


def test_examples_show_nothing_held_out() -> None:
    assert {panel.shots_from for panel in SUITE.panels.values()} == {"train"}


def test_the_wording_panel_has_its_own_commands_in_its_instructions() -> None:
    panel = SUITE.panel("ood_wording")
    assert panel.example == "walk over to cabinet 1"
    assert "grab OBJECT at RECEPTACLE" in panel.instructions
    assert "go to" not in panel.instructions
    env = SUITE.make(panel)
    env.reset(options={"task": "000000"})
    assert env.step("go to fridge 1")[0] == REPHRASED.invalid_reply


def test_listing_generates_nothing() -> None:
    code = (
        "from cotgap import envs\n"
        "from cotgap.envs.household.generator import generate\n"
        "assert len(envs.get_suite('household').panels) == 7\n"
        "assert generate.cache_info().misses == 0\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_any_seed_of_train_is_a_task() -> None:
    env = gymnasium.make("cotgap/Household-v0", split="train").unwrapped
    stream = games("train", start=10**6)
    for _ in range(3):
        made = next(stream)
        observation, info = env.reset(options={"task": made.task_id})
        assert observation == made.game.intro
        assert info["task_key"] == f"household/train/{made.task_id}#0"
    again = envs.make(info["task_key"])
    assert again.reset()[0] == observation
    assert again.panel.lock == SUITE.panel("train").lock
    assert SUITE.panel("train").task("000007").content == generate("train", 7).game.content_hash


def test_only_train_is_endless() -> None:
    assert [split for split, panel in SUITE.panels.items() if isinstance(panel, Endless)] == [
        "train"
    ]
    train = cast(Endless, SUITE.panel("train"))
    unlisted = {train.unlisted(number) for number in range(100)}
    assert len(unlisted) == 100
    assert not unlisted & {task.id for task in SUITE.panel("train").tasks}
    assert SUITE.panel("train").task(train.unlisted(7))
    assert SUITE.panel("train").task(task_id(200))
    for task in ("200", "0000200", "no such task"):
        with pytest.raises(UnknownNameError):
            SUITE.panel("train").task(task)
    for split in set(SUITE.panels) - {"train"}:
        with pytest.raises(UnknownNameError):
            SUITE.panel(split).task(task_id(200))


def test_a_game_that_the_lock_does_not_name_is_an_error() -> None:
    panel = replace(SUITE.panel("id"), tasks=(Task("000000", "0" * 64),))
    env = SUITE.make(panel)
    with pytest.raises(TaskUnavailableError, match="not the one that the panel's lock names"):
        env.reset(options={"task": "000000"})

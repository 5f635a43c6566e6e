"""The Gymnasium environment over household games: real ones, and made ones for odd cases."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

import gymnasium
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cotgap.envs.core import (
    Canonical,
    Expert,
    Oracle,
    Panel,
    Rationale,
    Snapshots,
    Task,
    UnknownNameError,
)
from cotgap.envs.household import Game, cached_game
from cotgap.envs.household.belief import first_belief, updated
from cotgap.envs.household.env import HouseholdEnv
from tests.household.houses import GOALS, made, random_house


def make_env(games: dict[str, Game], step_limit: int = 50, **options: Any) -> HouseholdEnv:
    tasks = tuple(Task(name, hashlib.sha256(name.encode()).hexdigest()) for name in games)
    panel = Panel("household", "test", tasks, "1", step_limit, "Play.", "look")
    return HouseholdEnv(panel, lambda task: games[task.id], **options)


@pytest.fixture
def env() -> HouseholdEnv:
    """Two small games: "place" and "look"."""
    return make_env({goal: random_house(goal, random.Random("env")) for goal in ("place", "look")})


@pytest.fixture(scope="session")
def real_env(alfworld_data: Path) -> HouseholdEnv:
    paths = (alfworld_data / "json_2.1.1" / "valid_unseen").glob("*/*/game.tw-pddl")
    return make_env({path.parts[-3]: cached_game(path) for path in sorted(paths)[::12]})


def state_of(env: HouseholdEnv) -> tuple[Any, ...]:
    """All that can be asked of an environment."""
    action = env.expert_action()
    return (
        env.task_key, env.steps, env.goal, env.belief, env.cost_to_go(), action,
        env.rationale(action), env.admissible_actions(), env.world.snapshot(),
    )  # fmt: skip


def test_passes_gymnasiums_checks(env: HouseholdEnv) -> None:
    check_env(env, skip_render_check=True)


def test_has_every_capability(env: HouseholdEnv) -> None:
    for capability in (Snapshots, Oracle, Expert, Canonical, Rationale):
        assert isinstance(env, capability)


def test_expert_episodes(real_env: HouseholdEnv) -> None:
    for task in real_env.panel.tasks:
        observation, info = real_env.reset(options={"task": task.id})
        assert observation.endswith(f"Your task is to: {info['goal']}")
        total, over = 0.0, False
        while not over:
            assert info["won"] is False
            before = real_env.cost_to_go()
            action = real_env.expert_action()
            assert action in info["admissible_actions"]
            observation, reward, won, over, info = real_env.step(action)
            assert observation in real_env.observation_space
            assert info["valid"]
            after = real_env.cost_to_go()
            assert before is not None
            assert after is not None
            assert abs(before - after) <= 1
            total, over = total + reward, over or won
        assert (total, info["won"], real_env.cost_to_go()) == (1.0, True, 0)


def test_snapshots(real_env: HouseholdEnv) -> None:
    """Restoring undoes anything, also another episode, and what follows is the same again."""
    dice = random.Random(1)
    tasks = real_env.panel.tasks
    for task, other in zip(tasks[::2], tasks[1::2], strict=False):
        real_env.reset(options={"task": task.id})
        for _ in range(6):
            real_env.step(dice.choice(real_env.admissible_actions()))
        saved, state = real_env.snapshot(), state_of(real_env)
        actions = [dice.choice(real_env.admissible_actions()), "nonsense", "look"]
        first = [real_env.step(action) for action in actions]
        real_env.reset(options={"task": other.id})
        real_env.step(real_env.expert_action())
        real_env.restore(saved)
        assert state_of(real_env) == state
        assert [real_env.step(action) for action in actions] == first


def test_snapshots_are_small_and_share_the_history(env: HouseholdEnv) -> None:
    env.reset(options={"task": "place"})
    for _ in range(40):
        env.step("look")
    one, two = env.snapshot(), env.snapshot()
    assert one == two
    assert one[-1] is two[-1]
    assert all(first is second for first, second in zip(one[2], two[2], strict=True))


def test_belief_is_made_when_asked_for(
    real_env: HouseholdEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(
        "cotgap.envs.household.env.updated",
        lambda belief, *said: calls.append(said[0]) or updated(belief, *said),
    )
    observation, _ = real_env.reset(options={"task": real_env.panel.tasks[0].id})
    belief = first_belief(real_env.world.game.wording, observation)
    dice = random.Random(3)
    for _ in range(10):
        action = dice.choice(real_env.admissible_actions())
        observation, *_ = real_env.step(action)
        belief = updated(belief, action, observation)
    assert calls == []
    assert real_env.belief == belief
    assert len(calls) == 10
    real_env.expert_action()
    real_env.step("look")
    real_env.rationale("look")
    assert len(calls) == 11


def test_long_episodes_do_not_recurse(env: HouseholdEnv) -> None:
    env.reset(options={"task": "place"})
    for _ in range(3_000):
        env.step("look")
    assert env.expert_action()


def test_step_limit_truncates(env: HouseholdEnv) -> None:
    short = make_env({"look": env._load_game(Task("look", ""))}, step_limit=2)
    short.reset()
    assert short.step("look")[3] is False
    *_, terminated, truncated, info = short.step("gibberish")
    assert (terminated, truncated, info["valid"]) == (False, True, False)


def test_canonical_is_what_the_engine_equates(env: HouseholdEnv) -> None:
    env.reset(options={"task": "look"})
    command = env.admissible_actions()[0]
    for same in (f" {command}\n", f"\u2003{command}\t"):
        assert env.canonical(same) == command
        saved = env.snapshot()
        assert env.step(same)[-1]["valid"]
        env.restore(saved)
    for other in (command.upper(), command.replace(" ", "  "), command + "."):
        assert env.canonical(other) != command
        assert not env.step(other)[-1]["valid"]


def test_needs_a_reset(env: HouseholdEnv) -> None:
    for use in (env.expert_action, env.cost_to_go, env.snapshot, lambda: env.step("look")):
        with pytest.raises(gymnasium.error.ResetNeeded):
            use()
    with pytest.raises(UnknownNameError, match=r"'plaec'.*Did you mean 'place'"):
        env.reset(options={"task": "plaec"})


def test_observation_space_holds_any_task_sentence() -> None:
    facts = [
        "atLocation agent1 loc_bar_0",
        "receptacleType Desk_bar_0 DeskType",
        "receptacleAtLocation Desk_bar_0 loc_bar_1",
    ]
    games = {
        "odd": made(facts, GOALS["place"], "put the 杯子 🍵 on the desk."),
        "long": made(facts, GOALS["place"], "put " * 8_000),
    }
    env = make_env(games)
    for name in games:
        observation, info = env.reset(options={"task": name})
        assert observation in env.observation_space
        assert info["goal"] == games[name].task
        assert env.expert_action() == "look"
        assert env.cost_to_go() is None


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.text(max_size=60), max_size=5))
def test_any_text_is_an_action(env: HouseholdEnv, actions: list[str]) -> None:
    env.reset(options={"task": "look"})
    for action in actions:
        assert env.rationale(action)
        observation, *_, info = env.step(action)
        assert info["valid"] is (env.canonical(action) in ("look", "inventory", "help"))
        assert observation in env.observation_space
        env.expert_action()

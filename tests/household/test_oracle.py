"""The oracle against the truth: distances found by exhaustion, and consistency along games."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from cotgap.envs.household import World, load_game
from cotgap.envs.household.oracle import (
    SearchLimitError,
    brute_force,
    cost_to_go,
    optimal_action,
)
from tests.household.houses import GOALS, PLACE, Cut, cut_out, distances, made, random_house


def games(data: Path, split: str, step: int) -> list[Path]:
    return sorted((data / "json_2.1.1" / split).glob("*/*/game.tw-pddl"))[::step]


@pytest.mark.parametrize("goal", GOALS)
def test_exact_in_every_state_of_random_houses(goal: str) -> None:
    seen: Counter[int | None] = Counter()
    for seed in range(10):
        game = random_house(goal, random.Random(f"{goal}{seed}"))
        world = World(game)
        for state, cost in distances(game, 2_000) or ():
            world.restore(state)
            assert cost_to_go(world) == cost, (seed, state)
            seen[cost] += 1
    assert seen.total() > 1_500
    assert {0, 1, 2, 3, 4, 5} < set(seen)


def test_exact_in_every_state_of_cut_real_games(alfworld_data: Path) -> None:
    checked: Counter[str] = Counter()
    for path in games(alfworld_data, "valid_unseen", 7):
        data = json.loads(path.read_text())
        game = cut_out(data, Cut(receptacles=1, objects=1), random.Random(path.parts[-2]))
        states = distances(game, 2_500)
        if states is None:
            continue
        world = World(game)
        for state, cost in states:
            world.restore(state)
            assert cost_to_go(world) == cost, (path, state)
        checked[path.parts[-3].split("-")[0]] += len(states)
    assert len(checked) == 6
    assert checked.total() > 5_000


def test_optimal_play_wins_in_as_many_commands_as_predicted(alfworld_data: Path) -> None:
    for path in games(alfworld_data, "valid_seen", 8):
        world = World(load_game(path))
        cost = cost_to_go(world)
        assert cost
        for left in range(cost, 0, -1):
            assert cost_to_go(world) == left
            if left == 1:
                assert brute_force(world, 20_000) == 1
            state = world.snapshot()
            action = optimal_action(world)
            assert world.snapshot() == state
            assert action is not None
            world.step(action)
        assert world.won
        assert optimal_action(world) is None


def test_no_command_brings_the_goal_nearer_by_more_than_one(alfworld_data: Path) -> None:
    """No command gains more than one, some command gains one; harmless commands gain nothing."""
    for number, path in enumerate(games(alfworld_data, "valid_unseen", 12)):
        dice = random.Random(number)
        world = World(load_game(path))
        for _ in range(12):
            cost, state = cost_to_go(world), world.snapshot()
            after = {}
            for command in world.admissible():
                world.step(command)
                after[command] = cost_to_go(world)
                world.restore(state)
            if cost is None:
                assert set(after.values()) == {None}
                break
            reached = [value for value in after.values() if value is not None]
            assert min(reached) == max(cost - 1, 0)
            assert after["look"] == after["inventory"] == cost
            world.step(dice.choice(sorted(after)))


def test_published_games_need_between_3_and_9_commands(alfworld_data: Path) -> None:
    costs: Counter[int | None] = Counter()
    for split in ("valid_seen", "valid_unseen"):
        for path in games(alfworld_data, split, 1):
            game = load_game(path)
            cost = cost_to_go(World(game))
            assert game.walkthrough is not None
            assert cost is not None
            assert cost <= len(game.walkthrough)
            costs[cost] += 1
    assert costs == PUBLISHED


PUBLISHED = {3: 10, 4: 70, 5: 17, 6: 90, 7: 47, 8: 24, 9: 16}


def test_holding_a_thing_that_fits_nowhere_leaves_no_way_to_the_goal() -> None:
    facts = [
        "atLocation agent1 loc_bar_0",
        "canContain DeskType MugType",
        "receptacleType Desk_bar_0 DeskType",
        "receptacleAtLocation Desk_bar_0 loc_bar_1",
        "receptacleType Shelf_bar_1 ShelfType",
        "receptacleAtLocation Shelf_bar_1 loc_bar_2",
        "objectType Mug_bar_0 MugType",
        "inReceptacle Mug_bar_0 Shelf_bar_1",
        "pickupable Mug_bar_0",
        "objectType Book_bar_0 BookType",
        "inReceptacle Book_bar_0 Shelf_bar_1",
        "pickupable Book_bar_0",
    ]
    world = World(made(facts, GOALS["place"]))
    assert cost_to_go(world) == 4
    world.step("go to shelf 1")
    world.step("take book 1 from shelf 1")
    assert cost_to_go(world) is None
    assert optimal_action(world) is None
    assert brute_force(world, 1_000) is None


UNUSUAL = [
    "(or (exists (?o - object) (and (objectType ?o MugType) (isClean ?o))) "
    "(exists (?o - object) (and (objectType ?o MugType) (isHot ?o))))",
    "(forall (?o - object) (or (not (objectType ?o MugType)) (isCool ?o)))",
    "(not (exists (?o - object) (and (objectType ?o MugType) (inReceptacle ?o Drawer_bar_1))))",
    "(exists (?a - agent ?o - object) (and (objectType ?o MugType) (holds ?a ?o) (checked ?o)))",
    PLACE.format(more="(isHot ?o) (isCool ?o)"),
    PLACE.format(more="(isHot ?o) (isClean ?o)"),
    "(exists (?o - object ?p - object ?r - receptacle ?s - receptacle) (and (inReceptacle ?o ?r) "
    "(inReceptacle ?p ?s) (objectType ?o MugType) (isHot ?o) (objectType ?p BookType) "
    "(isClean ?p) (receptacleType ?r DeskType) (receptacleType ?s ShelfType)))",
    "(and (inReceptacle Mug_bar_0 Desk_bar_0) (holds agent1 Book_bar_0))",
    "(exists (?o - object) (isClean ?o))",
    "(exists (?o - object ?r - receptacle) (and (inReceptacle ?o ?r) (objectType ?o BookType) "
    "(not (receptacleType ?r DeskType))))",
]


def kitchenette(goal: str) -> World:
    kinds = {"Desk": 1, "Drawer": 1, "Shelf": 2, "SinkBasin": 3, "Microwave": 2, "Fridge": 3}
    facts = ["atLocation agent1 loc_bar_0", "openable Drawer_bar_1"]
    for number, (kind, place) in enumerate(kinds.items()):
        symbol = f"{kind}_bar_{number}"
        facts += [
            f"receptacleType {symbol} {kind}Type",
            f"receptacleAtLocation {symbol} loc_bar_{place}",
        ]
    facts += [f"canContain {kind}Type MugType" for kind in kinds]
    facts += [f"canContain {kind}Type BookType" for kind in ("Shelf", "Drawer")]
    for thing, spot in {"Mug": "Drawer_bar_1", "Book": "Desk_bar_0"}.items():
        facts += [f"objectType {thing}_bar_0 {thing}Type", f"pickupable {thing}_bar_0"]
        facts += [f"{able} {thing}_bar_0" for able in ("cleanable", "heatable", "coolable")]
        facts.append(f"inReceptacle {thing}_bar_0 {spot}")
    return World(made(facts, goal))


@pytest.mark.parametrize(
    ("goal", "cost"), list(zip(UNUSUAL, [5, 5, 3, 4, None, 9, 12, 5, 4, 4], strict=True))
)
def test_unusual_goals(goal: str, cost: int | None) -> None:
    world = kitchenette(goal)
    assert cost_to_go(world) == cost
    assert brute_force(world, 100_000) == cost


def test_a_search_without_result_is_an_error(alfworld_data: Path) -> None:
    path = games(alfworld_data, "valid_unseen", 50)[0]
    with pytest.raises(SearchLimitError, match="no way to the goal among the nearest 50 states"):
        brute_force(World(load_game(path)), 50)

"""Generated games: the same everywhere, solvable, realistic, and what each axis holds out."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotgap.envs.core import CoTGapError, UnknownNameError
from cotgap.envs.household import ALL_WORDINGS, World, load_game
from cotgap.envs.household.game import Game, members
from cotgap.envs.household.generator import AXES, Generated, games, generate, seed_of, task_id
from cotgap.envs.household.generator.axes import Axis
from cotgap.envs.household.generator.panels import SIZE, panel_game, read
from cotgap.envs.household.generator.problem import problem, sentence
from cotgap.envs.household.generator.tables import HELD_OUT_OBJECTS, LAMP, OPENABLE, ROOMS
from cotgap.envs.household.habits import class_of, habits
from cotgap.envs.household.oracle import brute_force, cost_to_go
from cotgap.envs.household.wording import CURRENT, WORDINGS
from tools.household.expert import play

ROOT = Path(__file__).parents[2]
TRAINED = 3_000  # seeds of `train` that are looked at
OTHERS = [axis for axis in AXES if axis != "train"]
Panels = dict[str, list[Generated]]


@pytest.fixture(scope="module")
def panels() -> Panels:
    return {axis: list(itertools.islice(games(axis), SIZE)) for axis in AXES}


@pytest.fixture(scope="module")
def trained() -> list[Generated]:
    return list(itertools.islice(games("train"), TRAINED))


@pytest.fixture(scope="module")
def familiar(trained: list[Generated], panels: Panels) -> list[Generated]:
    """Games of `train` and of `id`."""
    return [*trained, *panels["id"]]


def rooms(made: list[Generated]) -> set[tuple[str, str]]:
    """(room, receptacle type) pairs that occur."""
    return {(game.draft.room, spot.type) for game in made for spot in game.draft.receptacles}


def things(made: list[Generated]) -> set[str]:
    """Object types that occur."""
    return {thing for game in made for thing, _ in game.draft.placed}


def kinds(made: list[Generated]) -> Counter[str]:
    return Counter(game.kind for game in made)


# The same everywhere.


def test_panels_are_the_published_ones(panels: Panels) -> None:
    assert {axis: [panel_game(game) for game in made] for axis, made in panels.items()} == read()


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_another_process_makes_the_same_games(hash_seed: str) -> None:
    code = (
        "from cotgap.envs.household.generator import AXES, generate\n"
        "for axis in AXES:\n"
        "    print(axis, *[generate(axis, s).game.content_hash for s in (0, 1, 7, 123456)])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    here = [
        " ".join([axis, *(generate(axis, s).game.content_hash for s in (0, 1, 7, 123456))])
        for axis in AXES
    ]
    assert result.stdout.splitlines() == here


def test_no_training_game_is_in_another_panel(panels: Panels, trained: list[Generated]) -> None:
    for axis, made in panels.items():
        assert len({game.problem for game in made}) == SIZE, axis
    seen = {game.problem for game in trained}
    assert len(seen) > 0.99 * TRAINED
    own = [game for axis in OTHERS if axis != "ood_wording" for game in panels[axis]]
    measured = {game.problem for game in own}
    assert len(measured) == len(own)  # in no two panels, but for `id` in other words
    assert not seen & measured

    def halves(problems: set[str]) -> set[int]:
        return {int(sha256(text.encode()).hexdigest()[0], 16) % 2 for text in problems}

    # By construction, for seeds beyond these.
    assert (halves(seen), halves(measured)) == ({1}, {0})


def test_a_problem_is_the_same_in_any_order() -> None:
    made = generate("id", 5)
    turned = replace(made.draft, placed=made.draft.placed[::-1])
    assert problem(turned) == made.problem
    moved = replace(made.draft, placed=made.draft.placed[:-1])
    assert problem(moved) != made.problem


# What every game is.


def check(made: Generated) -> None:
    rules, game = AXES[made.axis], made.game
    low, high = rules.receptacles
    assert low <= made.receptacles <= high
    assert len(game.receptacle_names) == made.receptacles
    assert made.kind == rules.kinds[made.seed % len(rules.kinds)].name
    assert not World(game).won
    assert made.oracle == cost_to_go(World(game)) > 0
    assert len(game.intro) < 1_200
    won, steps = play(game, rules.step_limit)
    assert won, f"the expert fails {game.name}: {game.task}"
    assert steps >= made.oracle
    room = ROOMS[made.draft.room]
    usual = {furniture.type for furniture in room.furniture}
    for thing, spot in made.draft.placed:
        assert thing == LAMP or thing in room.objects
        assert spot.type in usual or rules.unusual
        assert habits().found[thing.lower()][spot.type.lower()] > 0
        assert thing == LAMP or thing.lower() in habits().fits[spot.type.lower()]


def test_every_game_of_a_panel_is_sound_and_passed_by_the_expert(panels: Panels) -> None:
    for game in itertools.chain(*panels.values()):
        check(game)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(AXES)), st.integers(0, 10**15))
def test_the_game_of_any_seed_is_sound_and_passed_by_the_expert(axis: str, seed: int) -> None:
    made = generate(axis, seed)
    check(made)
    assert made is generate(axis, seed)
    assert seed_of(made.task_id) == seed


def test_the_certificate_is_the_shortest_plan(panels: Panels) -> None:
    """Against a search of the game itself, where that is feasible."""
    short = [g for axis in ("id", "ood_layout") for g in panels[axis] if g.oracle <= 4]
    for made in short[:12]:
        assert brute_force(World(made.game), 100_000) == made.oracle


def test_games_have_distractors_instances_and_closed_doors(panels: Panels) -> None:
    for made in itertools.chain(*panels.values()):
        count = Counter(thing for thing, _ in made.draft.placed)
        assert len(count) >= 3
        assert sum(count.values()) >= made.receptacles
    made = panels["id"]
    several = [g for g in made if Counter(t for t, _ in g.draft.placed)[g.draft.thing] > 1]
    assert len(several) > len(made) / 4
    assert sum(bool(g.game.openable & ~g.game.initial.opened) for g in made) > 0.9 * len(made)


def test_bad_seeds_and_axes() -> None:
    with pytest.raises(UnknownNameError, match="ood_layout"):
        generate("ood_layuot", 0)
    with pytest.raises(CoTGapError, match="bad seed -1"):
        generate("id", -1)
    assert [seed_of(text) for text in ("000007", "7", "0000007", "-00007", "x", "", "²" * 6)] == [
        7, None, None, None, None, None, None,
    ]  # fmt: skip
    assert seed_of(task_id(10**9)) == 10**9


# What each axis holds out, and that it is all.


def changed(axis: str) -> set[str]:
    """The rules in which an axis differs from `id`, besides what it says of itself."""
    rules = set(Axis.__slots__) - {"description", "holds_out"}
    return {name for name in rules if getattr(AXES[axis], name) != getattr(AXES["id"], name)}


def test_each_axis_changes_one_rule() -> None:
    assert {axis: changed(axis) for axis in AXES} == {
        "id": set(),
        "train": set(),
        "ood_layout": {"unusual"},
        "ood_object": {"held_out_object"},
        "ood_task": {"kinds"},
        "ood_wording": {"wording", "seeds"},  # the seeds of `id`
        "ood_horizon": {"receptacles", "large", "step_limit"},  # larger in all respects
    }


def test_layout_axis(panels: Panels, familiar: list[Generated]) -> None:
    held_out = {(name, kind) for name, room in ROOMS.items() for kind in room.unusual}
    assert not rooms(familiar) & held_out
    assert rooms(panels["ood_layout"]) - rooms(familiar) == held_out
    # Only the combination is new: each type is in some other room of `train`.
    assert {kind for _, kind in held_out} <= {kind for _, kind in rooms(familiar)}
    for made in panels["ood_layout"]:
        unusual = ROOMS[made.draft.room].unusual
        sources = [spot.type for thing, spot in made.draft.placed if thing == made.draft.thing]
        assert made.draft.target in unusual or set(sources) <= set(unusual), "a plan avoids it"
    assert things(panels["ood_layout"]) <= things(familiar)


def test_object_axis(panels: Panels, familiar: list[Generated]) -> None:
    assert not things(familiar) & HELD_OUT_OBJECTS
    more = list(itertools.islice(games("ood_object"), 4 * SIZE))
    assert {made.draft.thing for made in more} == HELD_OUT_OBJECTS
    for made in panels["ood_object"]:
        assert made.draft.thing in HELD_OUT_OBJECTS
        others = {thing for thing, _ in made.draft.placed} - {made.draft.thing}
        assert not others & HELD_OUT_OBJECTS
    assert rooms(panels["ood_object"]) <= rooms(familiar)
    for axis in set(OTHERS) - {"ood_object"}:
        assert not things(panels[axis]) & HELD_OUT_OBJECTS, axis


def test_task_axis(panels: Panels, familiar: list[Generated]) -> None:
    held_out = {"pick_cool_then_place_in_recep", "pick_two_obj_and_place"}
    trained = {
        "pick_and_place_simple",
        "pick_clean_then_place_in_recep",
        "pick_heat_then_place_in_recep",
        "look_at_obj_in_light",
    }
    assert set(kinds(familiar)) == trained
    assert kinds(panels["ood_task"]) == dict.fromkeys(held_out, SIZE // 2)
    for axis in set(OTHERS) - {"ood_task"}:  # the very same mix
        assert kinds(panels[axis]) == dict.fromkeys(trained, SIZE // 4), axis
    assert things(panels["ood_task"]) <= things(familiar)
    assert rooms(panels["ood_task"]) <= rooms(familiar)


def test_wording_axis(panels: Panels, familiar: list[Generated]) -> None:
    assert {game.game.revision for game in familiar} == {"current"}
    for axis in set(OTHERS) - {"ood_wording"}:
        assert {game.game.revision for game in panels[axis]} == {"current"}
    for own, other in zip(panels["id"], panels["ood_wording"], strict=True):
        assert other.game.revision == "rephrased"
        assert own.problem == other.problem  # the same world and goal
        assert (own.task_id, own.oracle) == (other.task_id, other.oracle)
        assert own.game.intro != other.game.intro


def test_horizon_axis(panels: Panels, familiar: list[Generated]) -> None:
    larger, usual = panels["ood_horizon"], panels["id"]
    assert min(g.receptacles for g in larger) > max(g.receptacles for g in familiar)
    assert things(larger) <= things(familiar)
    assert rooms(larger) <= rooms(familiar)
    for name in kinds(usual):
        means = [
            sum(g.oracle for g in made if g.kind == name) / (SIZE / 4) for made in (usual, larger)
        ]
        assert means[1] > means[0] + 0.5, name
    for made in larger:
        sources = {spot.type for thing, spot in made.draft.placed if thing == made.draft.thing}
        assert sources <= OPENABLE


def test_rooms_and_sizes_are_equally_likely_on_every_axis(
    panels: Panels, trained: list[Generated]
) -> None:
    """The mixes that no axis is meant to change, within what chance explains."""
    made = {**panels, "train": trained}
    wanted = Counter(g.draft.room for g in trained)
    for axis in ("id", "ood_layout", "ood_object", "ood_wording", "ood_horizon"):
        found = Counter(g.draft.room for g in made[axis])
        for room, count in wanted.items():
            assert abs(found[room] / SIZE - count / TRAINED) < 0.11, (axis, room)
    for axis in set(AXES) - {"ood_horizon"}:
        size = sum(g.receptacles for g in made[axis]) / len(made[axis])
        assert abs(size - 8) < 0.4, axis


# Facts.


def test_the_tables_agree_with_real_training_games(alfworld_data: Path) -> None:
    """What can be done to what, and what stands in which room, as in real training games."""
    able: dict[str, set[str]] = {}
    found: dict[str, set[str]] = {name: set() for name in ROOMS}
    by_scene = {"0": "kitchen", "2": "living room", "3": "bedroom", "4": "bathroom"}
    by_room: dict[str, list[Path]] = {}
    for path in sorted((alfworld_data / "json_2.1.1/train").glob("*/*/game.tw-pddl")):
        by_room.setdefault(path.parts[-3].split("-")[-1].zfill(3), []).append(path)
    for scene, path in [(scene, path) for scene, own in by_room.items() for path in own[::12]]:
        game = load_game(path)
        found[by_scene[scene[0]]] |= {class_of(name) for name in game.receptacle_names}
        note(game, able)
    ours: dict[str, set[str]] = {}
    for axis, seed in itertools.product(("id", "ood_object", "ood_task"), range(SIZE)):
        note(generate(axis, seed).game, ours)
    assert {thing: traits for thing, traits in able.items() if thing in ours} == ours
    for name, room in ROOMS.items():
        usual = {furniture.type.lower() for furniture in room.furniture}
        assert usual | {kind.lower() for kind in room.unusual} <= found[name]


def note(game: Game, able: dict[str, set[str]]) -> None:
    """Collect what can be done to the objects of a game, by class."""
    placed = set().union(*game.initial.contents)
    for trait in ("pickupable", "heatable", "coolable", "cleanable", "sliceable", "toggleable"):
        for obj in members(getattr(game, trait)):
            if obj in placed:
                able.setdefault(class_of(game.object_names[obj]), set()).add(trait)
    for obj in placed & game.holder_contents.keys():
        able.setdefault(class_of(game.object_names[obj]), set()).add("holder")


@pytest.mark.parametrize("wording", WORDINGS)
def test_task_sentences_are_alfworlds(wording: str, alfworld_data: Path) -> None:
    """Each form of sentence that we write occurs in a real game."""
    real = set()
    for path in (alfworld_data / "json_2.1.1").glob("valid_*/*/*/game.tw-pddl"):
        _, thing, _, target, _ = path.parts[-3].split("-")
        text = f" {load_game(path).task}"
        text = text.replace(f" {thing.lower()}", " {o}").replace(f" {target.lower()}.", " {r}.")
        real.add(text.strip())
    assert {form for forms in ALL_WORDINGS[wording].tasks for form in forms} <= real


def test_a_problem_does_not_tell_its_seed_or_axis() -> None:
    draft = generate("id", 3).draft
    assert problem(draft) == generate("id", 3).problem
    assert "000003" not in problem(draft)
    assert sentence(draft, CURRENT) == generate("id", 3).game.task

"""Loading games: revisions, re-wording, hashes, goals, and what is refused."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotgap.envs.household import WORDINGS, BadGame, Game, World, cached_game, load_game, make_game
from cotgap.envs.household.revisions import revision_of, split_task, with_task
from tests.household.kitchen import PROBLEM, TASK, WALKTHROUGH, kitchen, play, with_goal


@pytest.fixture(scope="module")
def path(alfworld_data: Path) -> Path:
    """One real game."""
    return min((alfworld_data / "json_2.1.1/valid_unseen").glob("*/*/game.tw-pddl"))


@pytest.fixture
def data(path: Path) -> dict[str, Any]:
    """What its file holds."""
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


# Real files.


def test_a_file_loads_in_its_own_wording(path: Path, data: dict[str, Any]) -> None:
    game = load_game(path)
    assert (game.revision, game.file_revision, game.solvable) == ("current", "current", True)
    assert game.name == str(path)
    assert game.task in data["grammar"]
    assert game.walkthrough == tuple(data["walkthrough"])
    assert len(game.content_hash) == 64


def test_the_hash_is_of_the_game_not_of_its_wording(path: Path, data: dict[str, Any]) -> None:
    hashes = {load_game(path, wording).content_hash for wording in WORDINGS}
    assert len(hashes) == 1
    other_task = {**data, "grammar": with_task(data["grammar"], "do something else.")}
    assert load_game(other_task).content_hash not in hashes
    other_goal = {**data, "pddl_problem": data["pddl_problem"] + " "}
    assert load_game(other_goal).content_hash not in hashes


def test_the_older_files_are_the_current_ones_reworded(
    alfworld_data: Path, alfworld_older_data: Path
) -> None:
    older = sorted(alfworld_older_data.glob("json_2.1.1/*/*/*/game.tw-pddl"))
    assert len(older) == 274
    for file in older[::4]:
        current = load_game(alfworld_data / file.relative_to(alfworld_older_data), "older")
        own = load_game(file)
        assert (own.file_revision, current.file_revision) == ("older", "current")
        for field in fields(Game):
            if field.name not in ("name", "file_revision", "walkthrough"):
                assert repr(getattr(own, field.name)) == repr(getattr(current, field.name))
        assert current.walkthrough is not None
        world = World(own)
        play(world, *current.walkthrough)
        assert world.won


def test_white_space_comments_and_case_do_not_change_a_revision(data: dict[str, Any]) -> None:
    domain, grammar = data["pddl_domain"], split_task(data["grammar"])[1]
    spaced = domain.replace("\n", " ; so (and so)\n\n").replace("(:action", "( :ACTION")
    assert revision_of(spaced, grammar.replace("::", "\n  ::\t")) == "current"
    assert revision_of(domain, f"# a note\n{grammar}") == "current"


def test_a_changed_rule_is_named(data: dict[str, Any]) -> None:
    data["pddl_domain"] = data["pddl_domain"].replace("(cleanable ?o)", "(heatable ?o)")
    data["grammar"] = data["grammar"].replace("You open the", "You pry open the")
    with pytest.raises(BadGame) as caught:
        load_game(data)
    message = str(caught.value)
    assert "older, current, package" in message
    assert "nearest is 'current'" in message
    assert "domain action cleanobject (changed)" in message
    assert "grammar rule OpenObject.feedback (changed)" in message


def test_a_foreign_domain_is_refused(data: dict[str, Any]) -> None:
    data["pddl_domain"] = "(define (domain blocks) (:predicates (on ?a ?b)))"
    with pytest.raises(BadGame, match=r"known revisions are older, current, package.*differ"):
        load_game(data)


@pytest.mark.parametrize("length", [0, 1, 100, 30_000, -1, -3])
def test_a_truncated_file_is_refused(path: Path, tmp_path: Path, length: int) -> None:
    broken = tmp_path / "game.tw-pddl"
    broken.write_bytes(path.read_bytes()[:length])
    with pytest.raises(BadGame, match="truncated") as caught:
        load_game(broken)
    assert str(broken) in str(caught.value)


def test_truncated_texts_in_a_whole_file_are_refused(data: dict[str, Any]) -> None:
    for key in ("pddl_domain", "grammar", "pddl_problem"):
        for part in (0.0, 0.3, 0.9, 0.98):
            text = data[key]
            with pytest.raises(BadGame):
                load_game({**data, key: text[: int(len(text.rstrip()) * part)]})


def test_special_characters_in_a_task_sentence(data: dict[str, Any]) -> None:
    # What the stock engine prints of such sentences (its grammar gives them a meaning).
    for sentence, shown in {
        "don't drop it, ever!": "don't drop it, ever!",
        'put the "nice" mug away.': "put the nice mug away.",
        "take it; put it down.": "take it",
        "put [it] away.": "put ",
        "weigh <1 kg": "weigh ",
        "méttre la tasse": "méttre la tasse",
    }.items():
        game = load_game({**data, "grammar": with_task(data["grammar"], sentence)})
        assert game.task == shown
        assert game.intro.endswith(f"Your task is to: {shown}")
    for sentence in ("do #this#", "do {__import__('os').getcwd()}"):
        with pytest.raises(BadGame, match="task sentence"):
            load_game({**data, "grammar": with_task(data["grammar"], sentence)})


def test_the_cache_notices_a_changed_file(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "game.tw-pddl"
    copy.write_bytes(path.read_bytes())
    first = cached_game(copy)
    assert cached_game(copy) is first
    assert cached_game(copy, "older") is not first
    os.utime(copy, ns=(1, 1))
    assert cached_game(copy) is not first
    copy.unlink()
    with pytest.raises(BadGame, match="No such file"):
        cached_game(copy)


# What is refused without any real file.


@pytest.mark.parametrize("content", ["", "[]", "3", "null", "{", '{"a": 1}', "[" * 100_000, "\x00"])
def test_other_files_are_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "x.tw-pddl"
    file.write_text(content)
    with pytest.raises(BadGame, match=r"x\.tw-pddl"):
        load_game(file)


def test_missing_files_folders_and_bytes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b'{"grammar": "\xff"}')
    for source in (tmp_path / "none", tmp_path, tmp_path / "latin"):
        with pytest.raises(BadGame):
            load_game(source)


def test_unknown_wordings_are_refused() -> None:
    with pytest.raises(BadGame, match="known are file, older, current, package"):
        load_game({}, "oldest")
    with pytest.raises(BadGame, match="'file'"):
        make_game(PROBLEM, TASK, "file")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("(:domain alfred)", "(:domain blocks)", "not of the domain"),
        ("(:goal", "(:gaol", "no section"),
        ("(atLocation agent1 loc_bar_9_bar_9)", "", "one agent at one location"),
        ("(atLocation agent1 ", "(holds agent1 Plate) (atLocation agent1 ", "held"),
        ("(isCool Potato", "(isCold Potato", "unknown initial fact .iscold potato"),
        ("(openable Cabinet_bar__plus_01_dot_00)", "(openable a b)", "unknown initial fact"),
        ("Plate - object", "", "'plate' without declaring"),
        ("Plate - object", "Plate - receptacle", "another type"),
        ("loc_bar_3_bar_1 - location", "loc_bar_3_bar_1 - object", "another type"),
        ("Fridge_bar__plus_01_dot_00 - receptacle", "Fridge_bar__plus_01_dot_00 - location",
         "another type"),
        ("(objectType Plate PlateType)", "(objectType Plate MugType) (objectType Plate PlateType)",
         "two types"),
        ("(receptacleAtLocation Fridge_bar__plus_01_dot_00 loc_bar_3_bar_1)",
         "(receptacleAtLocation Fridge_bar__plus_01_dot_00 loc_bar_3_bar_1) "
         "(receptacleAtLocation Fridge_bar__plus_01_dot_00 loc_bar_4_bar_1)", "two locations"),
        ("(isClean ?o)", "(isClean ?o", "damaged"),
        ("Plate - object", "Platé - object", "ASCII"),
    ],
)  # fmt: skip
def test_damaged_problems_are_refused(old: str, new: str, message: str) -> None:
    assert old in PROBLEM
    with pytest.raises(BadGame, match=message):
        make_game(PROBLEM.replace(old, new), TASK)


@given(st.text(), st.integers(0, len(PROBLEM)), st.integers(0, 60))
def test_no_damage_raises_anything_else(text: str, start: int, length: int) -> None:
    with contextlib.suppress(BadGame):
        World(make_game(PROBLEM[:start] + text + PROBLEM[start + length :], TASK))


# Goals. `test_parity` compares more of them with the stock engine.


def test_the_walkthrough_of_the_kitchen_wins() -> None:
    world = World(kitchen())
    play(world, *WALKTHROUGH)
    assert world.won


@pytest.mark.parametrize(
    ("goal", "script", "won"),
    [
        ("(holdsAny agent1)", "NY", "take"),
        ("(not (holdsAny agent1))", "YN", "take"),
        ("(and)", "YY", "take"),
        ("(or)", "NN", "take"),
        ("(exists () (holdsAny agent1))", "NY", "take"),
        ("(forall () (holdsAny agent1))", "NY", "take"),
        ("(exists (?x - tool) (and))", "NN", "take"),
        ("(forall (?x - tool) (or))", "YY", "take"),
        ("(and (holdsAny agent1) (or (opened Fridge_bar__plus_01_dot_00) (isCool Plate)))", "NN",
         "take"),
        ("(exists (?o - object) (and (holds agent1 ?o) (objectType ?o AppleType)))", "NY", "take"),
        ("(exists (?o - object) (and (holds agent1 ?o) (not (objectType ?o AppleType))))", "NN",
         "take"),
        ("(forall (?o - object) (not (holds agent1 ?o)))", "YN", "take"),
        ("(forall (?r - receptacle) (or (not (openable ?r)) (opened ?r)))", "NN", "take"),
        ("(exists (?a - object ?b - object) (and (not (= ?a ?b)) (isClean ?a) (isClean ?b)))",
         "NN", "take"),
        # Every symbol is an "object", locations and the agent too.
        ("(exists (?x - object) (and (checked ?x) (not (= ?x agent1))))", "NY", "look"),
        ("(exists (?x - receptacle) (checked ?x))", "NN", "look"),
        # The comma makes an unknown type, which nothing is of.
        ("(exists (?l - location, ?r - receptacle) (atLocation agent1 ?l))", "NN", "look"),
        ("(not (exists (?l - location, ?r - receptacle) (atLocation agent1 ?l)))", "YY", "look"),
    ],
)  # fmt: skip
def test_goals(goal: str, script: str, won: str) -> None:
    world = World(kitchen(goal=goal))
    seen = "Y" if world.won else "N"
    if won == "take":
        play(world, "go to countertop 1", "take apple 1 from countertop 1")
    else:
        play(world, "look")
    assert seen + ("Y" if world.won else "N") == script


@pytest.mark.parametrize(
    ("goal", "message"),
    [
        ("(imply (holdsAny agent1) (and))", "'imply', which is neither"),
        ("(loves agent1 Plate)", "'loves', which is neither"),
        ("(holds agent1)", "1 arguments"),
        ("(holds agent1 ?o)", "outside of its quantifier"),
        ("(holds agent1 Nothing)", "'nothing', which the problem does not declare"),
        ("(exists (?o - object))", "with 1 parts"),
        ("(exists ?o (holds agent1 ?o))", "without a list of variables"),
        ("(not)", "with 0 parts"),
        ("(and holdsAny)", "where a condition should be"),
        ("((holdsAny agent1))", "without 'and' or 'or'"),
        ("(holds agent1 (and))", "a list where a name"),
        ("(not " * 100 + "(and)" + ")" * 100, "deeper"),
        ("(exists (?o - object) " * 100 + "(and)" + ")" * 100, "deeper"),
    ],
)
def test_other_goals_are_refused(goal: str, message: str) -> None:
    with pytest.raises(BadGame, match=message):
        make_game(with_goal(goal), TASK)

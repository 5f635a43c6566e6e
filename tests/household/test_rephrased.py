"""Our own wording: the same game in other words, command by command."""

from __future__ import annotations

import hashlib
import random
import re
from dataclasses import replace
from itertools import islice

import pytest

from cotgap.envs.household import ALL_WORDINGS, World, make_game
from cotgap.envs.household.belief import Belief, first_belief, parse_task, updated
from cotgap.envs.household.expert import choose, expert_action
from cotgap.envs.household.generator import AXES, Generated, generate
from cotgap.envs.household.generator.problem import sentence
from cotgap.envs.household.generator.tables import KINDS
from cotgap.envs.household.oracle import cost_to_go
from cotgap.envs.household.rationale import rationale
from cotgap.envs.household.wording import COMMANDS, CURRENT, REPHRASED, Sentences
from tools.household.drivers import DRIVERS

GAMES = [(axis, seed) for axis in AXES for seed in range(4)]


def pair(made: Generated) -> tuple[World, World]:
    """A game's world in both wordings."""
    worlds = (
        World(make_game(made.problem, sentence(made.draft, wording), wording.name))
        for wording in (CURRENT, REPHRASED)
    )
    plain, other = worlds
    return plain, other


def known(belief: Belief) -> Belief:
    """What a belief holds, less what only tells in which words it was learned."""
    return replace(belief, wording=CURRENT, sentence="")


@pytest.mark.parametrize(("axis", "seed"), GAMES)
@pytest.mark.parametrize("driver", ["random", "expert"])
def test_both_wordings_are_the_same_game(axis: str, seed: int, driver: str) -> None:
    plain, other = pair(generate(axis, seed))
    beliefs = [first_belief(CURRENT, plain.reset()), first_belief(REPHRASED, other.reset())]
    dice = random.Random(f"{axis}/{seed}")
    for _ in range(40):
        there = {CURRENT.reword(command, REPHRASED) for command in plain.admissible()}
        assert there == set(other.admissible())
        assert len(there) == len(plain.admissible())  # one to one
        assert {REPHRASED.reword(command, CURRENT) for command in there} == set(plain.admissible())
        assert plain.snapshot() == other.snapshot()
        assert cost_to_go(plain) == cost_to_go(other)
        assert known(beliefs[0]) == known(beliefs[1])
        assert choose(beliefs[0]) == choose(beliefs[1])
        wish = expert_action(beliefs[0])
        assert CURRENT.reword(wish, REPHRASED) == expert_action(beliefs[1])
        reason = rationale(beliefs[1], expert_action(beliefs[1]))
        assert reason
        assert "{" not in reason
        command = wish if driver == "expert" else dice.choice([wish, *plain.admissible()])
        for n, (world, words) in enumerate(((plain, CURRENT), (other, REPHRASED))):
            own = CURRENT.reword(command, words)
            beliefs[n] = updated(beliefs[n], own, world.step(own))
            assert world.last_valid
        if driver == "expert" and plain.won:
            return
    assert driver == "random"


def test_refused_commands_teach_the_same() -> None:
    """Commands of all kinds, most of them invalid."""
    plain, other = pair(generate("ood_horizon", 1))
    beliefs = [first_belief(CURRENT, plain.reset()), first_belief(REPHRASED, other.reset())]
    refused = 0
    for command in islice(DRIVERS["mixed"](plain, random.Random(0)), 150):
        own = CURRENT.reword(command, REPHRASED)
        if own == command:  # no command of any game
            continue
        replies = plain.step(command), other.step(own)
        refused += not plain.last_valid
        assert plain.last_valid == other.last_valid
        assert (replies[1] == REPHRASED.invalid_reply) == (not other.last_valid)
        beliefs = [updated(beliefs[0], command, replies[0]), updated(beliefs[1], own, replies[1])]
        assert known(beliefs[0]) == known(beliefs[1])
    assert refused > 10


def test_no_command_and_no_reply_is_that_of_another_wording() -> None:
    same = {
        name
        for name in REPHRASED.__dataclass_fields__
        if getattr(REPHRASED, name) == getattr(CURRENT, name)
    }
    assert same == {"clean_at"}  # a rule, not a word


@pytest.mark.parametrize("wording", ALL_WORDINGS)
def test_every_task_sentence_is_understood(wording: str) -> None:
    words = ALL_WORDINGS[wording]
    assert set(Sentences._fields) == {kind.short for kind in KINDS}
    for kind, forms in zip(Sentences._fields, words.tasks, strict=True):
        assert len(forms) == 2
        for form in forms:
            task = parse_task(form.format(o="mug", r="desk"), words)
            assert task == (kind, "mug", "desk"), form
            if words is REPHRASED:
                assert parse_task(form.format(o="mug", r="desk"), CURRENT) is None


@pytest.mark.parametrize("wording", ALL_WORDINGS)
def test_help_names_the_commands_there_are(wording: str) -> None:
    words = ALL_WORDINGS[wording]
    listed = re.sub(r"\(.*?\)", "()", words.help_reply)
    for command in set(COMMANDS) - {"help"}:
        form = re.sub(r"\{\w\}", "()", getattr(words, command))
        if (wording, command) != ("older", "put"):  # `older` has no help to correct
            assert f"  {form}" in listed


def test_a_changed_word_is_another_version() -> None:
    """A lock does not cover replies: change them together with `HouseholdSuite.version`."""
    digest = hashlib.sha256(repr(REPHRASED).encode()).hexdigest()
    assert digest[:16] == "fe90bce3e9115add"

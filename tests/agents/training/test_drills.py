"""Look-up drills are right, balanced, and new each time."""

from __future__ import annotations

import re
from typing import Any

import pytest

from cotgap.agents.rendering import Renderer
from cotgap.agents.training.drills import NONE, drill, echo, listed_names
from cotgap.agents.training.masking import IGNORE_INDEX
from cotgap.agents.training.sequences import Tree

NAMES = "apple book desk drawer fork key lamp mug pan pen shelf vase".split()


@pytest.fixture(scope="module")
def drilled(own_tokenizer: Any) -> list[tuple[Tree, list[tuple[str, str]]]]:
    """Trees, each with the text before and in every answer."""
    renderer = Renderer(own_tokenizer, 4096)
    found = []
    for number in range(150):
        tree = drill(NAMES, renderer, str(number))
        texts = []
        for example in tree.examples:
            (span,) = example.spans
            ids, at = [], int(tree.before[span.start])
            while at >= 0:
                ids.append(int(tree.ids[at]))
                at = int(tree.before[at])
            answer = renderer.decode(tree.ids[span.start : span.end].tolist())
            texts.append((renderer.decode(ids[::-1]), answer))
        found.append((tree, texts))
    return found


def test_answers_are_right(drilled: list[tuple[Tree, list[tuple[str, str]]]]) -> None:
    sorts = set()
    for _, texts in drilled:
        for text, answer in texts:
            told = text.partition("<|im_start|>user")[2].replace(", and a ", ", a ")
            listing, _, reply = told.rpartition("<|im_start|>assistant\n")
            if "What is there?" in text:
                sorts.add("asked")
                check_wanted(reply.rpartition(", a ")[2], listing, reply + answer)
            elif "Go on." in text:
                sorts.add("again")
                names = listing.partition("You see ")[2].partition(".")[0].split()
                said = f"{reply}{answer}".split()
                start = names.index(said[0])
                assert said == [*names[start:], *names[:start]][: len(said)]
            elif "Find the " in text:
                sorts.add("where")
                thing = text.rpartition("Find the ")[2].partition(".")[0]
                before = listing.partition(f"a {thing}")[0].rpartition("On the ")[2]
                assert before.startswith(f"{answer.strip()},")
            else:
                sorts.add("wanted")
                wanted = text.rpartition("Find a ")[2].partition(".")[0]
                check_wanted(wanted, listing.rpartition("you see ")[2], answer)
    assert len(sorts) == 4


def check_wanted(word: str, listing: str, answer: str) -> None:
    there = [f"{word} {n}" for n in re.findall(rf"\ba {word} (\d+)", listing)]
    assert answer.endswith(f" {(there or [NONE])[0]}")


def test_absent_and_present_are_balanced(
    drilled: list[tuple[Tree, list[tuple[str, str]]]],
) -> None:
    kinds = [
        e.kind
        for tree, texts in drilled
        if "Find the " not in texts[0][0]
        for e in tree.examples
        if e.kind != "copied"
    ]
    assert 0.4 < kinds.count("absent") / len(kinds) < 0.6


def test_only_answers_have_a_loss(drilled: list[tuple[Tree, list[tuple[str, str]]]]) -> None:
    for tree, _ in drilled:
        answers = sum(s.end - s.start for e in tree.examples for s in e.spans)
        assert (tree.labels != IGNORE_INDEX).sum() == answers


def test_echoes_can_be_known(own_tokenizer: Any) -> None:
    """Every token with a loss follows what it followed before; none are the same."""
    tree = echo(Renderer(own_tokenizer, 4096), "1")
    ids, half = tree.ids.tolist(), len(tree) // 2
    assert len(set(ids[:half])) == half
    assert not set(ids) & set(own_tokenizer.all_special_ids)
    around = dict(zip(ids[:half], [*ids[1:half], ids[0]], strict=True))
    learned = [at for at in range(len(ids)) if tree.labels[at] != IGNORE_INDEX]
    end = next(at for at in range(half, 2 * half) if ids[at] == ids[half - 1])  # goes around here
    assert learned == [at for at in range(half + 1, 2 * half) if at != end + 1]
    assert all(ids[at] == around[ids[at - 1]] for at in learned)


def test_names_are_read_from_lists() -> None:
    text = "you see a mug 2, an apple 1, and a mug 3. There is a door to the north."
    assert listed_names([text]) == ["apple", "mug"]

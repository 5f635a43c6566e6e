"""Look-up drills are right, balanced, and new each time."""

from __future__ import annotations

from typing import Any

import pytest

from agents.rendering import Renderer
from agents.training.drills import BRANCHES, NONE, drill, listed_names
from agents.training.masking import IGNORE_INDEX
from agents.training.sequences import Tree

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
            texts.append((renderer.decode(ids[::-1]), answer.removeprefix("the ")))
        found.append((tree, texts))
    return found


def test_answers_are_right(drilled: list[tuple[Tree, list[tuple[str, str]]]]) -> None:
    for _, texts in drilled:
        for text, answer in texts:
            if "What follows the " in text:
                start = text.partition("What follows the ")[2].partition("?")[0]
                listing = (
                    text.partition("you see ")[2].partition(".")[0].replace(", and a ", ", a ")
                )
                assert listing.partition(f"a {start}, a ")[2].split(", a ") == answer.split(
                    ", the "
                )
            elif "Where is the " in text:
                thing = text.partition("Where is the ")[2].partition("?")[0]
                listing = text.partition(f"a {thing}")[0].rpartition("On the ")[2]
                assert listing.startswith(f"{answer},")
            else:
                check_wanted(text, answer)


def check_wanted(text: str, answer: str) -> None:
    word = text.partition("Find a ")[2].partition(".")[0]
    word = word or text.partition("Is there a ")[2].partition("?")[0]
    listing = text.rpartition("you see ")[2]
    there = [f"{word} {n}" for n in range(1, 10) if f"a {word} {n}" in listing]
    assert [answer] == (there or [NONE])


def test_absent_and_present_are_balanced(
    drilled: list[tuple[Tree, list[tuple[str, str]]]],
) -> None:
    kinds = [
        e.kind
        for tree, texts in drilled
        if not set(texts[0][0].split()) & {"Where", "follows"}
        for e in tree.examples
    ]
    assert 0.4 < kinds.count("absent") / len(kinds) < 0.6
    assert all(len(tree.examples) <= BRANCHES for tree, _ in drilled)


def test_only_answers_have_a_loss(drilled: list[tuple[Tree, list[tuple[str, str]]]]) -> None:
    for tree, _ in drilled:
        answers = sum(s.end - s.start for e in tree.examples for s in e.spans)
        assert (tree.labels != IGNORE_INDEX).sum() == answers


def test_names_are_read_from_lists() -> None:
    text = "you see a mug 2, an apple 1, and a mug 3. There is a door to the north."
    assert listed_names([text]) == ["apple", "mug"]

"""A vocabulary of whole words that can write anything."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cotgap.agents.rendering import Renderer
from cotgap.agents.training.data import Episode
from cotgap.agents.training.sources import openings
from cotgap.agents.training.vocabulary import MOST, train_tokenizer
from cotgap.envs.core import CoTGapError

TEXT = "You arrive at desk 2. On the desk 2, you see a mug 1, an apple 12, and a creditcard 3."


def test_names_and_numbers_are_one_token_each() -> None:
    tokenizer = train_tokenizer([TEXT])
    tokens = tokenizer.tokenize(TEXT)
    assert "".join(tokens).replace("Ġ", " ") == TEXT
    for word in re.findall(r" (?:[a-z]+|[0-9]+)", TEXT):
        if word not in (" a", " an", " and"):
            assert word.replace(" ", "Ġ") in tokens
    assert [token.replace("Ġ", " ") for token in tokens if "a" in token and "," in token] == [
        ", an",
        ", and a",
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_kept(own_tokenizer: Any, text: str) -> None:
    renderer = Renderer(own_tokenizer, 4096)
    assert renderer.decode(renderer.encode(text, False)) == text


def test_tags_are_single_tokens_that_contents_cannot_forge(own_tokenizer: Any) -> None:
    renderer = Renderer(own_tokenizer, 4096)
    for tag in ("<think>", "</think>", "<action>", "</action>"):
        assert len(renderer.encode(tag, True)) == 1
        assert renderer.decode(renderer.encode(tag, True)) == tag
    assert len(renderer.encode("<|im_end|>", False)) > 1
    assert renderer.decode([renderer.turn_end or 0]) == "<|im_end|>"


def test_names_of_every_household_panel_are_whole() -> None:
    """Also those that training never shows: a held-out object is a word the model can be given."""
    texts = openings(["household/train"], 24)
    tokenizer = train_tokenizer(texts)
    assert len(tokenizer) <= MOST
    for name in {f" {name}" for text in texts for name in re.findall(r"\b[a-z]{3,}", text)}:
        assert len(tokenizer.tokenize(name)) == 1, name


def test_size(episodes: list[Episode]) -> None:
    texts = [step.observation for one in episodes for step in one.steps]
    assert len(train_tokenizer(texts)) <= MOST
    assert len(train_tokenizer(texts, 300)) == 300
    with pytest.raises(CoTGapError, match="a vocabulary of 200 is too small"):
        train_tokenizer(texts, 200)

"""Traces made from traces: in another order, in other words, and without any."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

FILLER = " ..."
# Sentences get these in front, in turns; what they say stays.
OPENINGS = ("As I see it,", "Besides,", "Moreover,", "In addition,")
CLOSING = "That is how things stand."
# Pairs that mean the same, each way round only once.
REWORDED = {
    "i have not": "I haven't",
    "i am": "I'm",
    "i will": "I'll",
    "so i": "therefore I",
    "because": "since",
    "look for": "search for",
    "next": "now",
    "need to": "have to",
    "should": "ought to",
    "is not": "isn't",
    "cannot": "can't",
}
_WORDS = re.compile(r"\b(" + "|".join(map(re.escape, REWORDED)) + r")\b", re.IGNORECASE)


def sentences(text: str) -> list[str]:
    """The sentences of a text, each with its mark, without the space between them."""
    return [part for part in re.split(r"(?<=[.!?])\s+", text.strip()) if part]


def shuffled(text: str, dice: random.Random) -> str | None:
    """The sentences in another order; None where there are not two different ones."""
    parts = sentences(text)
    if len(set(parts)) < 2:
        return None
    order = list(parts)
    while order == parts:
        dice.shuffle(order)
    return " ".join(order)


def paraphrase(text: str) -> str:
    """The same in other words, by a template: reworded phrases, and an opening to each sentence.

    Names of things, which actions are made of, stay as they are.
    """
    reworded = [_WORDS.sub(lambda m: REWORDED[m[0].lower()], part) for part in sentences(text)]
    opened = [f"{OPENINGS[n % len(OPENINGS)]} {part}" for n, part in enumerate(reworded)]
    return " ".join([*opened, CLOSING])


def filler(count: int, unit: Sequence[int]) -> tuple[int, ...]:
    """`count` tokens that say nothing: `unit` over and over."""
    return tuple(unit[n % len(unit)] for n in range(count))

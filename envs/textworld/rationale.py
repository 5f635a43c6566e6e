"""Argues for a command from what has been read: the goal, the recipe and the current room."""

from __future__ import annotations

import re
from collections.abc import Iterable

ROOM = re.compile(r"^-= (.+) =-$", re.MULTILINE)
SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
PLACE = re.compile(r" (?:from|with|on|into) ")
COOKS = {"stove": "fry", "oven": "roast", "bbq": "grill"}
SMALL = frozenset("go the a an to from on into with in at of and i".split())
REASONS = {
    "go": "I have to be elsewhere for what is left, so I go {rest}.",
    "take": "I need the {thing} in hand, so I take it.",
    "open": "What I need may lie behind the {rest}, so I open it.",
    "unlock": "The {thing} is locked, so I unlock it.",
    "examine": "I should know more before I go on, so I examine the {rest}.",
    "slice": "The {thing} has to be cut as asked, so I slice it.",
    "chop": "The {thing} has to be cut as asked, so I chop it.",
    "dice": "The {thing} has to be cut as asked, so I dice it.",
    "cook": "The {thing} has to be cooked as asked, so I cook it.",
    "prepare": "Everything for it should be ready, so I prepare the {rest}.",
    "eat": "Eating is what remains, so I eat the {rest}.",
    "drop": "I do not need the {thing} in hand, so I drop it.",
    "look": "I am not sure of my surroundings, so I look around.",
    "inventory": "I should know what I carry, so I check.",
}
OTHERWISE = "Of what I can do here, this seems to lead on, so I {action}."


def rationale(command: str, goal: str, readings: Iterable[str], seen: str) -> str:
    """Two or three sentences for a command (on one line; "" for none), in the first person.

    `readings` are texts read on the way, such as a recipe; `seen` is the last room's text.
    """
    rooms = ROOM.findall(seen)
    where = f"I am in the {rooms[-1].lower()}." if rooms else "I am under way."
    if not re.fullmatch(r"[\w' -]+", command):
        return f"{where} I cannot tell what to do next."
    verb, _, rest = command.partition(" ")
    template = REASONS.get(verb.casefold(), OTHERWISE)
    if not rest and "{" in template:
        template = OTHERWISE
    reason = template.format(rest=rest, thing=PLACE.split(rest)[0], action=command)
    line = _mention(command, [*readings, goal])
    return " ".join(filter(None, (where, line and f'I read: "{line}"', reason)))


def _mention(command: str, texts: Iterable[str]) -> str:
    """The line of the texts that shares most words with a command, or "" where none does."""
    words = set(command.casefold().split()) - SMALL
    words |= {COOKS[word] for word in words if word in COOKS}
    best, most = "", 0
    for text in texts:
        for line in map(str.strip, SENTENCE.split(text)):
            shared = len(words & set(re.findall(r"[\w'-]+", line.casefold())))
            if shared > most and len(line) <= 200:
                best, most = line, shared
    return best.replace("<", "").replace(">", "")

"""Random actions that fit the documentation, for the random agent."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import Any

from cotgap.envs.bfcl.calls import Call, render
from cotgap.envs.bfcl.episode import Episode, request_of

ENDS = 0.3  # how often a draw ends the turn
OPTIONAL = 0.3  # how often an optional argument is given
WORD = re.compile(r"[\w.#@-]+", re.ASCII)


def draw_action(episode: Episode, dice: random.Random) -> str:
    """One call of a function shown so far, or the end of the turn.

    Words come from the configuration and from what the user has said, numbers are small.
    """
    docs = episode.shown
    if not docs or dice.random() < ENDS:
        return render(())
    doc = docs[int(dice.random() * len(docs))]
    return render([Call(doc["name"], _arguments(doc["parameters"], _words(episode), dice))])


def _arguments(schema: Mapping[str, Any], words: list[str], dice: random.Random) -> dict[str, Any]:
    """A value for every required property of an object, and for some of the others."""
    required = schema.get("required", ())
    return {
        name: _value(kind, words, dice)
        for name, kind in schema.get("properties", {}).items()
        if name in required or dice.random() < OPTIONAL
    }


def _value(schema: Mapping[str, Any], words: list[str], dice: random.Random) -> Any:
    match schema["type"]:
        case "boolean":
            return dice.random() < 0.5
        case "integer":
            return int(dice.random() * 20)
        case "float":
            return round(dice.random() * 100, 1)
        case "array":
            return [_value(schema["items"], words, dice) for _ in range(1 + int(dice.random() * 2))]
        case "dict":
            return _arguments(schema, words, dice)
        case _:
            return words[int(dice.random() * len(words))]


def _words(episode: Episode) -> list[str]:
    said = [request_of(episode.item, turn) for turn in range(episode.turn + 1)]
    words = {word for text in said for word in WORD.findall(text)}
    words.update(_names(episode.item.entry["initial_config"]))
    return sorted(words) or ["a"]


def _names(config: Any) -> set[str]:
    """The keys and short strings of a configuration."""
    if isinstance(config, dict):
        return {str(key) for key in config}.union(*map(_names, config.values()))
    if isinstance(config, list):
        return set().union(*map(_names, config))
    return {config} if isinstance(config, str) and len(config) <= 40 else set()

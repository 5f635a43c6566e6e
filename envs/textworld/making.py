"""Makes TextWorld games: a specification in, a game and its content hash out.

Needs the extra `textworld`. The content hash covers everything that determines play: the game's
facts, quests, names, texts, logic, objective and walkthrough, and the Inform 7 source that the
played file is compiled from. The compiled file itself is not hashed (it holds the date).

TextWorld 1.7.0 makes the same game from the same seed in any process and after any other games, but
for four things that are removed here:

- The failing conditions of a cooking quest come from a set. They are sorted before the source is
  written.
- The names that the grammar avoids come from a set. Nothing reads them later, so they are dropped.
- Rules and grammars are read in the order in which the disk lists their files, which decides their
  order in a game and in its source. Here they are read by file name (`_files_in_order`).
- A game names the folder that its grammars were read from. That name is dropped.
"""

from __future__ import annotations

import functools
import glob
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

Settings = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Spec:
    """What a game is made from: the kind of game, the seed, and the kind's settings."""

    kind: str
    seed: int
    settings: Settings = field(hash=False)


@dataclass(frozen=True, slots=True)
class Made:
    """A new game: `data` is TextWorld's own serialisation, `source` is Inform 7 to be compiled."""

    data: dict[str, Any]
    source: str
    max_score: int
    walkthrough: tuple[str, ...]

    @property
    def content(self) -> str:
        """SHA-256 (hex) over everything that determines play."""
        return content_hash(self.data, hashlib.sha256(self.source.encode()).hexdigest())


def content_hash(data: Mapping[str, Any], source_hash: str) -> str:
    """The content hash of a game's data and the SHA-256 of its source."""
    text = json.dumps({"game": data, "source": source_hash}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def make(spec: Spec) -> Made:
    """Make a game. Not thread-safe.

    Raises `KeyError` for an unknown kind, and TextWorld's own errors where it cannot make the game.
    """
    from textworld import GameOptions
    from textworld.generator.inform7 import generate_inform7_source

    with _files_in_order():
        options = GameOptions()
        options.seeds = spec.seed
        game = MAKERS[spec.kind](spec.settings, options)
        for quest in game.quests:
            quest.fail_events = sorted(
                quest.fail_events, key=lambda event: json.dumps(event.serialize(), sort_keys=True)
            )
        walkthrough = tuple(game.walkthrough)
        source = generate_inform7_source(game)
    data = json.loads(json.dumps(game.serialize()))
    data["grammar"] = {}
    data["KB"]["text_grammars_path"] = ""
    data["metadata"] = {"walkthrough": list(walkthrough)}
    if ingredients := game.metadata.get("ingredients"):
        data["metadata"]["ingredients"] = [list(ingredient) for ingredient in ingredients]
    return Made(data, source, int(game.max_score), walkthrough)


@contextmanager
def _files_in_order() -> Iterator[None]:
    """Have TextWorld read rules and grammars in the order of their file names."""
    from textworld.generator import data, text_grammar

    before = data.glob, text_grammar.glob, data.KB
    data.glob = text_grammar.glob = SimpleNamespace(glob=_sorted_glob, escape=glob.escape)
    try:
        data.KB = _rules_in_order()
        yield
    finally:
        data.glob, text_grammar.glob, data.KB = before


def _sorted_glob(pattern: str) -> list[str]:
    return sorted(glob.glob(pattern))


@functools.cache
def _rules_in_order() -> Any:
    """TextWorld's rules in order; its import has read them in the disk's order."""
    from textworld.generator.data import KnowledgeBase

    return KnowledgeBase.load()


def _cooking(settings: Settings, options: Any) -> Any:
    """Find, cut and cook the ingredients of a recipe, prepare the meal and eat it."""
    from textworld.challenges.tw_cooking import cooking

    fixed = {"take": settings["recipe"], "open": True, "drop": False, "recipe_seed": 0}
    return cooking.make({**fixed, **settings}, options)


def _coin_collector(settings: Settings, options: Any) -> Any:
    """Walk a chain of rooms, with as many dead ends beside it, to a coin."""
    from textworld.challenges.tw_coin_collector import coin_collector

    return coin_collector.make({"level": 100 + settings["length"]}, options)


def _treasure_hunter(settings: Settings, options: Any) -> Any:
    """Take the right one of two objects in a maze without doors (the challenge's mode `easy`)."""
    from textworld.challenges.tw_treasure_hunter import treasure_hunter
    from textworld.generator.data import KnowledgeBase

    options.kb = KnowledgeBase.load(treasure_hunter.KB_PATH)
    options.nb_rooms, options.quest_length = settings["rooms"], settings["length"]
    return treasure_hunter.make_game("easy", options)


def _simple(settings: Settings, options: Any) -> Any:
    """Leave the locked bedroom of a fixed house, and put the right food on the stove."""
    from textworld.challenges.tw_simple import simple

    return simple.make({"rewards": "balanced", "goal": "detailed", **settings}, options)


def _custom(settings: Settings, options: Any) -> Any:
    """A random quest in a random house, from TextWorld's general generator (`tw-make custom`)."""
    from textworld.generator import make_game

    options.nb_rooms, options.nb_objects = settings["rooms"], settings["objects"]
    options.quest_length = settings["length"]
    return make_game(options)


MAKERS: dict[str, Callable[[Settings, Any], Any]] = {
    "cooking": _cooking,
    "coin_collector": _coin_collector,
    "treasure_hunter": _treasure_hunter,
    "simple": _simple,
    "custom": _custom,
}

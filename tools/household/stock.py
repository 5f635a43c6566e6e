"""The stock engine (TextWorld's PddlEnv, Fast Downward, ALFWorld's names), for comparisons.

Needs the extra `alfworld`. The stock engine's C library keeps memory for every game it loads: run
it in processes that end after some tens of games.
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from cotgap.envs.household.rules import ALFWorldMissingError, Rules, package_rules
from tools.household.data import games


@dataclass(frozen=True, slots=True)
class Seen:
    """What one reset or step shows, in either engine."""

    text: str
    admissible: tuple[str, ...]
    won: bool
    score: int
    moves: int


class StockGame:
    """One game in the stock engine, without shuffled names."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        """`data`: what a `game.tw-pddl` holds. Raises `ALFWorldMissingError` without the extra."""
        try:
            import textworld
            from alfworld.agents.environment.alfred_tw_env import AlfredDemangler
            from textworld.envs import PddlEnv
        except ImportError as error:
            raise ALFWorldMissingError(error) from None
        wanted = textworld.EnvInfos(won=True, admissible_commands=True, score=True, moves=True)
        self._env = AlfredDemangler(PddlEnv(wanted), shuffle=False)
        with _arguments_kept():
            self._env.load(data)

    def reset(self) -> Seen:
        """Start over."""
        with _arguments_kept():
            return self._seen(self._env.reset())

    def step(self, command: str) -> Seen:
        """Do one command."""
        return self._seen(self._env.step(command)[0])

    @staticmethod
    def _seen(state: Any) -> Seen:
        score = state.get("score")
        return Seen(
            text=state.feedback,
            admissible=tuple(state.admissible_commands),
            won=state.won,
            score=int(state.won) if score is None else score,  # a reset sets no score
            moves=state.moves,
        )


@contextmanager
def _arguments_kept() -> Iterator[None]:
    """Restore `sys.argv`, which the translator overwrites."""
    arguments = sys.argv
    try:
        yield
    finally:
        sys.argv = arguments


def memoise() -> None:
    """Make the stock engine faster in this process, without touching what it does.

    Its translator and its grammar and query parsers are pure functions of their texts, and are
    asked again and again for the same ones. Not for measurements of its speed.
    """
    try:
        import fast_downward
        import textworld.envs.pddl.textgen as textgen
        from textworld.logic import Rule
    except ImportError as error:
        raise ALFWorldMissingError(error) from None
    if hasattr(fast_downward.pddl2sas, "cache_info"):
        return
    fast_downward.pddl2sas = lru_cache(maxsize=2)(fast_downward.pddl2sas)
    parse = lru_cache(maxsize=4096)(textgen._parse_and_convert)
    # The engine writes contexts into parsed symbols, so that each use gets symbols of its own.
    textgen._parse_and_convert = lambda *args, **kwargs: copy.deepcopy(parse(*args, **kwargs))
    Rule.parse_conjunctive_query = staticmethod(
        lru_cache(maxsize=4096)(Rule.parse_conjunctive_query)
    )


def find_rules(current: Path | None, older: Path | None) -> dict[str, Rules]:
    """Revision → its rules, of those at hand: in data folders, and in the package `alfworld`."""
    texts = []
    for folder in filter(None, (older, current)):
        for path in islice(games(folder), 1):
            data = json.loads(path.read_text(encoding="utf-8"))
            texts.append(Rules(data["pddl_domain"], data["grammar"]))
    texts.append(package_rules())
    return {rules.revision: rules for rules in texts}

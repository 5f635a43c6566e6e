"""The rules that game files carry, and those of the installed package `alfworld`."""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cotgap.envs.core import CoTGapError
from cotgap.envs.household.revisions import revision_of, split_task, with_task


class ALFWorldMissingError(CoTGapError):
    """The extra `alfworld` is not installed, or only in part."""

    def __init__(self, error: ImportError) -> None:
        super().__init__(
            f"the extra `alfworld` is not installed ({error}). "
            "To fix it: pip install 'cotgap[alfworld]'"
        )


@dataclass(frozen=True, slots=True)
class Rules:
    """The PDDL domain and the grammar of one revision."""

    domain: str
    grammar: str

    @property
    def revision(self) -> str:
        """The revision's name; raises `BadGame` for rules that no known revision has."""
        return revision_of(self.domain, split_task(self.grammar)[1])

    def game(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """What a `game.tw-pddl` holds, with these rules in place of its own."""
        grammar = with_task(self.grammar, split_task(data["grammar"])[0])
        return {**data, "pddl_domain": self.domain, "grammar": grammar}


def package_rules() -> Rules:
    """The rules of the package `alfworld`; raises `ALFWorldMissingError` without it."""
    try:
        folder = importlib.resources.files("alfworld") / "data"
    except ModuleNotFoundError as error:
        raise ALFWorldMissingError(error) from None
    return Rules((folder / "alfred.pddl").read_text(), (folder / "alfred.twl2").read_text())

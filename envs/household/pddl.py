"""Reads the PDDL of a game: the problem (objects, initial facts, goal) and nested lists.

Only what ALFWorld problems use is understood; anything else raises `BadGame`. Everything is
lower-cased, as PDDL is case-insensitive and the game's names are made from the lower-cased ids.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from cotgap.envs.household.errors import BadGame

Facts: TypeAlias = dict[str, list[Sequence[str]]]
"""Predicate → the arguments of its facts."""
Tree: TypeAlias = "str | list[Tree]"
"""A parsed list of PDDL: a token, or the trees between two parentheses."""

ARITY: Final[dict[str, int]] = {
    "atlocation": 2,
    "cancontain": 2,
    "checked": 1,
    "cleanable": 1,
    "coolable": 1,
    "examined": 1,
    "full": 1,
    "heatable": 1,
    "holds": 2,
    "holdsany": 1,
    "holdsanyreceptacleobject": 1,
    "inreceptacle": 2,
    "inreceptacleobject": 2,
    "isclean": 1,
    "iscool": 1,
    "ishot": 1,
    "ison": 1,
    "isreceptacleobject": 1,
    "isreceptacleobjectfull": 1,
    "issliced": 1,
    "istoggled": 1,
    "moveable": 1,
    "objectatlocation": 2,
    "objecttype": 2,
    "openable": 1,
    "opened": 1,
    "pickupable": 1,
    "receptacleatlocation": 2,
    "receptacletype": 2,
    "sliceable": 1,
    "toggleable": 1,
    "wasinreceptacle": 2,
}
"""The predicates of the domain and how many arguments each takes."""

_SECTION = re.compile(r"\(\s*:([a-z-]+)")
_COMMENT = re.compile(r";[^\n]*")
_TOKEN = re.compile(r"[()]|[^\s()]+")


@dataclass(frozen=True, slots=True)
class Problem:
    """A parsed `pddl_problem`."""

    types: dict[str, str]
    """Each declared symbol's type, in the file's order."""
    facts: Facts
    """The initial facts: predicate → its argument lists, in the file's order, repeats kept."""
    goal: Tree


def strip_comments(text: str) -> str:
    """`text` without its `;` comments."""
    return _COMMENT.sub("", text) if ";" in text else text


def parse_tree(text: str, what: str) -> Tree:
    """The one list that `text` holds; raises `BadGame` (naming `what`) if it is not one."""
    stack: list[list[Tree]] = [[]]
    for token in _TOKEN.findall(strip_comments(text).lower().replace("?", " ?")):
        if token == "(":
            stack.append([])
        elif token != ")":
            stack[-1].append(token)
        elif len(stack) > 1:
            closed = stack.pop()
            stack[-1].append(closed)
        else:
            raise BadGame(f"{what} has one ')' too many")
    if len(stack) > 1:
        raise BadGame(f"{what} ends early: {len(stack) - 1} ')' missing")
    if len(stack[0]) != 1:
        raise BadGame(f"{what} should be one list, and has {len(stack[0])}")
    return stack[0][0]


def typed_list(tokens: list[str], default: str = "object") -> dict[str, str]:
    """`a b - t c` as {a: t, b: t, c: default}."""
    if len(tokens) % 3 == 0 and set(tokens[1::3]) == {"-"} and "-" not in tokens[::3]:
        return dict(zip(tokens[::3], tokens[2::3], strict=True))  # each on its own: the usual case
    types: dict[str, str] = {}
    pending: list[str] = []
    remaining = iter(tokens)
    for token in remaining:
        if token == "-":
            types.update(dict.fromkeys(pending, next(remaining, default)))
            pending.clear()
        else:
            pending.append(token)
    types.update(dict.fromkeys(pending, default))
    return types


def parse_problem(text: str) -> Problem:
    """Parse a `pddl_problem`; raises `BadGame` if it is truncated or not of this domain."""
    text = strip_comments(text).lower()
    if not text.isascii():
        raise BadGame("pddl_problem holds characters other than ASCII, which PDDL does not allow")
    opened, closed = text.count("("), text.count(")")
    if opened != closed:
        raise BadGame(f"pddl_problem is damaged: {opened} '(' but {closed} ')'")
    sections = _sections(text)
    if "".join(sections["domain"].split()) != "alfred)":
        raise BadGame("pddl_problem is not of the domain 'alfred'")
    return Problem(
        typed_list(sections["objects"].replace(")", " ").split()),
        _facts(sections["init"]),
        parse_tree(sections["goal"][: sections["goal"].rindex(")")], "the goal"),
    )


def _sections(text: str) -> dict[str, str]:
    """Section name → what stands between its head and the next section (or the file's end)."""
    heads = list(_SECTION.finditer(text))
    ends = [head.start() for head in heads[1:]] + [text.rfind(")")]
    sections = {head[1]: text[head.end() : end] for head, end in zip(heads, ends, strict=False)}
    missing = [name for name in ("domain", "objects", "init", "goal") if name not in sections]
    if missing:
        raise BadGame(f"pddl_problem has no section (:{missing[0]} …)")
    return sections


def _facts(init: str) -> Facts:
    facts: Facts = {name: [] for name in ARITY}
    # Half of a problem's facts are "canContain", one after the other: faster in one go.
    start = max(0, init.find("(cancontain "))
    end = init.find(")", init.rfind("(cancontain ")) + 1
    words = init[start:end].replace("(cancontain ", " ( ").replace(")", " ").split()
    if words and set(words[::3]) == {"("} and len(words) % 3 == 0:
        facts["cancontain"] += zip(words[1::3], words[2::3], strict=True)
        init = init[:start] + init[end:]
    for chunk in init.replace(")", " ").split("(")[1:]:
        name, *args = chunk.split() or [""]
        if ARITY.get(name) == len(args):
            facts[name].append(args)
        elif name not in ("=", "distance", "total-cost"):  # action costs, without effect in play
            raise BadGame(f"pddl_problem has the unknown initial fact ({name} {' '.join(args)})")
    return facts

"""Which revision of the ALFWorld rules and text a game file carries.

A file's `pddl_domain` and `grammar` are cut into named parts (an action of the domain, a rule of
the grammar, …). A part's digest ignores comments, white space outside of strings and, in the
domain, upper and lower case; the task sentence, which is each game's own, is set aside. A file is
of a revision if it has that revision's parts, all of them and no other (`revisions.json`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from cotgap.envs.household.errors import BadGame
from cotgap.envs.household.pddl import Tree, parse_tree

_TASK_RULE = re.compile(r'"task"\s*:\s*\[\s*\{\s*"rhs"\s*:\s*("(?:[^"\\]|\\.)*")\s*\}\s*\]')
_TASK_PREFIX: Final = "Your task is to: "
# The part of a literal that the stock engine prints (without quotes): it ends at the first special
# character.
_LITERAL = re.compile(r'(?:[^;|"<>\[\]#{}]|"[^;|"<>\[\]#{}]*")*')
_GRAMMAR_TOKEN = re.compile(
    r'"""(?P<block>.*?)"""|(?P<string>"[^"]*")|(?P<word>[\w/-]+)|(?P<mark>::|[{};])'
    r"|(?P<skip>\s+|#[^\n]*)|(?P<bad>.)",
    re.DOTALL,
)


def split_task(grammar: str) -> tuple[str, str]:
    """(the task sentence as the game prints it, the grammar without it)."""
    rule = _TASK_RULE.search(grammar)
    text = json.loads(rule[1]) if rule else ""
    if rule is None or not text.startswith(_TASK_PREFIX):
        raise BadGame(f"the grammar's rule 'task' should read {_TASK_PREFIX + '…'!r}")
    shown = _LITERAL.match(text)
    assert shown is not None  # the pattern matches the empty string
    if re.match(r"#[^#]+#|\{[^{}]+\}", text[shown.end() :]):
        raise BadGame(f"the task sentence holds a grammar symbol or code: {text!r}")
    sentence = shown[0].replace('"', "")[len(_TASK_PREFIX) :]
    return sentence, grammar[: rule.start(1)] + '""' + grammar[rule.end(1) :]


def with_task(grammar: str, sentence: str) -> str:
    """`grammar` with another task sentence."""
    rule = _TASK_RULE.search(grammar)
    if rule is None:
        raise BadGame("the grammar has no rule 'task'")
    return grammar[: rule.start(1)] + json.dumps(_TASK_PREFIX + sentence) + grammar[rule.end(1) :]


@lru_cache(maxsize=16)
def revision_of(domain: str, grammar: str) -> str:
    """The name of the revision of a `pddl_domain` and a grammar without its task sentence.

    Raises `BadGame` naming the known revisions and what differs from the nearest one. The cache
    holds the few texts in circulation, so that a file's own texts are only hashed and compared.
    """
    own = parts(domain, grammar)
    for name, known in known_parts().items():
        if own == known:
            return name
    nearest, differences = min(
        ((name, _differences(own, known)) for name, known in known_parts().items()),
        key=lambda item: len(item[1]),
    )
    shown = ", ".join(differences[:8]) + (", …" if len(differences) > 8 else "")
    raise BadGame(
        f"unknown rules or grammar: known revisions are {', '.join(known_parts())}; nearest is "
        f"{nearest!r}, from which {len(differences)} part(s) differ: {shown}. Games come from "
        "alfworld-download or alfworld-generate"
    )


def parts(domain: str, grammar: str) -> dict[str, str]:
    """Part name → digest (12 hex digits), over a domain and a grammar without task sentence."""
    named = [*_domain_parts(domain), *_grammar_parts(grammar)]
    return {name: hashlib.sha256(text.encode()).hexdigest()[:12] for name, text in named}


@cache
def known_parts() -> dict[str, dict[str, str]]:
    """Revision → its parts. Read from `revisions.json`: part → digest → the revisions with it."""
    text = (Path(__file__).parent / "revisions.json").read_text(encoding="utf-8")
    revisions: dict[str, dict[str, str]] = {}
    for part, digests in json.loads(text).items():
        for digest, names in digests.items():
            for name in names.split():
                revisions.setdefault(name, {})[part] = digest
    return revisions


def _differences(own: dict[str, str], known: dict[str, str]) -> list[str]:
    changed = [f"{p} (changed)" for p in known if p in own and own[p] != known[p]]
    missing = [f"{p} (missing)" for p in known if p not in own]
    return changed + missing + [f"{p} (new)" for p in own if p not in known]


def _domain_parts(domain: str) -> Iterable[tuple[str, str]]:
    tree = parse_tree(domain, "pddl_domain")
    if not isinstance(tree, list):
        raise BadGame("pddl_domain is not a list")
    for part in tree:
        words = [word for word in part if isinstance(word, str)] if isinstance(part, list) else []
        head = words[:2] if words[:1] == [":action"] else words[:1]
        yield f"domain {' '.join(head).lstrip(':')}", _spell(part)


def _spell(tree: Tree) -> str:
    return tree if isinstance(tree, str) else f"({' '.join(map(_spell, tree))})"


def _grammar_parts(grammar: str) -> Iterable[tuple[str, str]]:
    """The templates and feedbacks of the grammar's actions, and its rules in canonical JSON."""
    action, words = "", [""]
    for token in _GRAMMAR_TOKEN.finditer(grammar):
        kind, text = token.lastgroup, token[0]
        if kind == "word":
            words.append(text)
        elif kind == "mark" and text in "{}":
            action = words[-1] if text == "{" else ""
        elif kind == "string":
            yield f"grammar {action} {words[-1]}", text
        elif kind == "block":
            for name, rule in _rules(token["block"]).items():
                yield f"grammar rule {name}", json.dumps(rule, sort_keys=True)
        elif kind == "bad":
            raise BadGame(f"the grammar is damaged at {grammar[token.start() :][:40]!r}")


def _rules(block: str) -> dict[str, object]:
    lines = (line for line in block.splitlines() if not line.lstrip().startswith("#"))
    try:
        rules = json.loads("\n".join(lines))
    except ValueError as error:
        raise BadGame(f"the grammar holds rules that are not JSON: {error}") from None
    if not isinstance(rules, dict):
        raise BadGame("the grammar holds rules that are not a JSON object")
    return rules

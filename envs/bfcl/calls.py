"""The action language: `[f(a=1, b="x"), g()]`, read without evaluating anything.

A list of calls whose arguments are literals: strings, numbers, True, False, None, lists, tuples
and dicts of them, written as in Python. As in the package's own decoder, white space and backticks
around the list do not matter, and the brackets may be left out. Reading takes time linear in the
text, which is bounded, as are nesting and numbers.
"""

from __future__ import annotations

import ast
import keyword
import math
import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

MAX_LENGTH = 16_384
"""Characters of an action. The longest call of a ground truth has 6,839."""
MAX_DEPTH = 16
MAX_CALLS = 100
MAX_INTEGER = 10**18

WORDS: dict[str, Any] = {"True": True, "False": False, "None": None}
OPENING = ("[", "(", "{")
# Strings are Python's. Reading takes linear time even where a string does not end: no token is
# accepted after its opening quote, so the text is not read again.
TOKEN = re.compile(
    r"""
    (?P<string>[rRuU]?(?:
        \"\"\"(?:\\.|[^\\])*?\"\"\" | '''(?:\\.|[^\\])*?'''
      | "(?:\\.|[^"\\\n])*"         | '(?:\\.|[^'\\\n])*'
    ))
  | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
  | (?P<name>[A-Za-z_]\w*)
  | (?P<mark>[][(){},:=+-])
    """,
    re.VERBOSE | re.ASCII | re.DOTALL,
)
SPACE = re.compile(r"\s*", re.ASCII)
T = TypeVar("T")


class BadActionError(Exception):
    """Text that is not an acceptable list of calls; the message says why, in ASCII."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call with literal arguments; its string is Python, and reads back as an equal call."""

    name: str
    named: dict[str, Any]
    positional: tuple[Any, ...] = ()

    def __str__(self) -> str:
        values = [repr(value) for value in self.positional]
        values += [f"{name}={value!r}" for name, value in self.named.items()]
        return f"{self.name}({', '.join(values)})"


def render(calls: Iterable[Call]) -> str:
    """The action that makes these calls."""
    return f"[{', '.join(map(str, calls))}]"


def canonical(action: str) -> str:
    """The normal form of an action: quotes, white space and the order of arguments do not matter.

    Text that is not a list of calls is its own normal form, but for white space around it.
    """
    try:
        calls = parse(action)
    except BadActionError:
        return action.strip()
    return render(
        Call(call.name, dict(sorted(call.named.items())), call.positional) for call in calls
    )


def parse(action: str) -> tuple[Call, ...]:
    """The calls of an action; raises `BadActionError` for any text that is not such a list."""
    if len(action) > MAX_LENGTH:
        raise BadActionError(f"more than {MAX_LENGTH:,} characters")
    text = action.strip("`\n ").strip()
    if not text:
        raise BadActionError("no action was given")
    calls = _Reader(text).action()
    if len(calls) > MAX_CALLS:
        raise BadActionError(f"more than {MAX_CALLS} calls at once")
    return tuple(calls)


class _Reader:
    """A recursive-descent parser with one token of look-ahead."""

    def __init__(self, text: str) -> None:
        self._text, self._end, self._depth = text, 0, 0
        self._advance()

    def action(self) -> list[Call]:
        """The calls of the whole text."""
        if self._token == "[":
            self._advance()
            calls = self._items("]", self._call)
        else:
            calls = self._items("", self._call)
        if self._kind != "end":
            raise self._unexpected("the end")
        return calls

    def _advance(self) -> None:
        space = SPACE.match(self._text, self._end)
        self._start = space.end() if space else self._end
        match = TOKEN.match(self._text, self._start)
        if match:
            self._kind, self._token = str(match.lastgroup), match.group()
            self._end = match.end()
        else:
            over = self._start == len(self._text)
            self._kind, self._token = ("end", "") if over else ("unknown", self._text[self._start])

    def _take(self, token: str) -> None:
        if self._token != token:
            raise self._unexpected(repr(token))
        if token:
            self._advance()

    def _items(self, closing: str, item: Callable[[], T]) -> list[T]:
        """Items up to the closing token, separated by commas; one comma may trail."""
        items = []
        while self._token != closing:
            items.append(item())
            if self._token != closing:
                self._take(",")
        self._take(closing)
        return items

    def _call(self) -> Call:
        name = self._name("a function's name")
        self._take("(")
        positional: list[Any] = []
        named: dict[str, Any] = {}

        def argument() -> None:
            if self._kind != "name" or self._token in WORDS:
                if named:
                    raise self._unexpected("an argument's name")
                positional.append(self._value())
                return
            key = self._name("an argument's name")
            if self._token != "=":
                raise BadActionError(f"{_shown(key)} is a name, not a value: quote strings")
            self._advance()
            if key in named:
                raise BadActionError(f"argument {_shown(key)} is given twice")
            named[key] = self._value()

        self._items(")", argument)
        return Call(name, named, tuple(positional))

    def _name(self, wanted: str) -> str:
        name = self._token
        if self._kind != "name" or keyword.iskeyword(name):
            raise self._unexpected(wanted)
        self._advance()
        return name

    def _value(self) -> Any:
        kind, token = self._kind, self._token
        if token in OPENING:
            return self._collection(token)
        if token in ("-", "+"):
            self._advance()
            if self._kind != "number":
                raise self._unexpected("a number")
            return self._number(token + self._token)
        if kind == "number":
            return self._number(token)
        if kind == "string":
            self._advance()
            return _string(token)
        if token in WORDS:
            self._advance()
            return WORDS[token]
        if kind == "name":
            raise BadActionError(f"{_shown(token)} is a name, not a value: quote strings")
        raise self._unexpected("a value")

    def _number(self, text: str) -> int | float:
        self._advance()
        digits = text.lstrip("+-")
        if not digits.isdigit():
            number = float(text)
            if not math.isfinite(number):
                raise BadActionError(f"{_shown(text)} is too large")
            return number
        if len(digits) > 1 and digits.startswith("0"):
            raise BadActionError(f"{_shown(text)} starts with a zero")
        if len(digits) > len(str(MAX_INTEGER)) or int(digits) > MAX_INTEGER:
            raise BadActionError(f"{_shown(text)} is too large")
        return int(text)

    def _collection(self, opening: str) -> Any:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise BadActionError(f"nested more than {MAX_DEPTH} deep")
        self._advance()
        value: Any
        if opening == "[":
            value = self._items("]", self._value)
        elif opening == "{":
            value = dict(self._items("}", self._entry))
        else:
            value = self._parenthesised()
        self._depth -= 1
        return value

    def _parenthesised(self) -> Any:
        """A tuple, or a value alone in parentheses."""
        if self._token == ")":
            self._advance()
            return ()
        first = self._value()
        if self._token == ")":
            self._advance()
            return first
        self._take(",")
        return (first, *self._items(")", self._value))

    def _entry(self) -> tuple[Any, Any]:
        if self._token in OPENING:
            raise self._unexpected("a key")
        key = self._value()
        self._take(":")
        return key, self._value()

    def _unexpected(self, wanted: str) -> BadActionError:
        actual = _shown(self._token) if self._token else "the end"
        return BadActionError(f"{wanted} should stand where {actual} is, at {self._start + 1}")


def _string(token: str) -> str:
    """The value of one string literal."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that Python does not know, as in "\d"
            return str(ast.literal_eval(token))
    except (SyntaxError, ValueError) as error:  # a broken escape, a null byte, half a surrogate
        raise BadActionError(f"{_shown(token)} is not a string that Python reads") from error


def _shown(token: str) -> str:
    """A token as an error message shows it: short, and in ASCII."""
    return ascii(token if len(token) <= 40 else f"{token[:40]}...")

"""Checks of JSON values from strangers: types, ranges, lengths, and no field that is not known.

A check is a function of a value and of its place (`episode.steps[3].reward`); it raises
`FieldError`, which names the place, and returns nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from cotgap.envs.core import CoTGapError, TaskKey

Check = Callable[[Any, str], None]
SHOWN = 60  # characters of a bad value in a message: enough to find it


class FieldError(CoTGapError):
    """A value that is not what its field holds."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}" if place else problem)


def within(place: str, name: str) -> str:
    """The place of a field of what is at `place`."""
    return f"{place}.{name}" if place else name


def shown(value: Any) -> str:
    """A bad value, cut and escaped, so that it is safe on a terminal."""
    if isinstance(value, (dict, list)):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    text = ascii(value[:SHOWN]) if isinstance(value, str) else ascii(value)
    return text if len(text) <= 2 * SHOWN else f"{text[: 2 * SHOWN]}..."


def text(most: int) -> Check:
    """Any text of at most `most` characters, such as a model's."""

    def check(value: Any, place: str) -> None:
        if not isinstance(value, str):
            raise FieldError(place, f"{shown(value)} is no text")
        if len(value) > most:
            raise FieldError(place, f"{len(value)} characters, where {most} are allowed")

    return check


def line(most: int, *, least: int = 0) -> Check:
    """One line to be shown beside others' lines.

    Printable (no control characters, and none that are invisible or turn the direction of
    writing), in Unicode's normal form C, without white space around it.
    """
    fits = text(most)

    def check(value: Any, place: str) -> None:
        fits(value, place)
        if len(value) < least:
            raise FieldError(place, "empty, but needed")
        if not value.isprintable():
            bad = next(char for char in value if not char.isprintable())
            raise FieldError(place, f"holds U+{ord(bad):04X}, which is invisible or a control")
        if value != value.strip():
            raise FieldError(place, f"{shown(value)} has white space around it")
        if not unicodedata.is_normalized("NFC", value):
            raise FieldError(place, f"{shown(value)} is not in Unicode's normal form C")

    return check


def pattern(expression: str, what: str) -> Check:
    """A text that matches the whole of a regular expression."""
    compiled = re.compile(expression)

    def check(value: Any, place: str) -> None:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise FieldError(place, f"{shown(value)} is no {what}")

    return check


def one_of(*options: Any) -> Check:
    """One of a few values."""

    def check(value: Any, place: str) -> None:
        if type(value) not in {type(option) for option in options} or value not in options:
            raise FieldError(place, f"{shown(value)} is none of {', '.join(map(str, options))}")

    return check


def whole(low: int, high: int) -> Check:
    """An integer in [low, high]; `true` is none."""

    def check(value: Any, place: str) -> None:
        if type(value) is not int:
            raise FieldError(place, f"{shown(value)} is no whole number")
        if not low <= value <= high:
            raise FieldError(place, f"{shown(value)} is not from {low} to {high}")

    return check


def number(low: float, high: float) -> Check:
    """A finite number in [low, high]."""

    def check(value: Any, place: str) -> None:
        if type(value) not in (int, float):
            raise FieldError(place, f"{shown(value)} is no number")
        if not low <= value <= high:  # false for NaN, too
            raise FieldError(place, f"{shown(value)} is not from {low:g} to {high:g}")

    return check


def flag(value: Any, place: str) -> None:
    """`true` or `false`."""
    if type(value) is not bool:
        raise FieldError(place, f"{shown(value)} is neither true nor false")


def maybe(inner: Check) -> Check:
    """`null`, or what `inner` takes."""
    return lambda value, place: None if value is None else inner(value, place)


def items(inner: Check, most: int, *, least: int = 0, distinct: bool = False) -> Check:
    """A list of `least` to `most` items; `distinct`: none (a text each) occurs twice."""

    def check(value: Any, place: str) -> None:
        if not isinstance(value, list):
            raise FieldError(place, f"{shown(value)} is no list")
        if not least <= len(value) <= most:
            raise FieldError(place, f"{len(value)} items, where {least} to {most} are allowed")
        for index, item in enumerate(value):
            inner(item, f"{place}[{index}]")
        if distinct and len(set(value)) < len(value):
            raise FieldError(place, "lists an item twice")

    return check


def table(key: Check, inner: Check, most: int) -> Check:
    """An object of at most `most` entries of one kind, under keys of one kind."""

    def check(value: Any, place: str) -> None:
        if not isinstance(value, dict):
            raise FieldError(place, f"{shown(value)} is no object")
        if len(value) > most:
            raise FieldError(place, f"{len(value)} entries, where {most} are allowed")
        for name, entry in value.items():
            key(name, f"the key {shown(name)} of {place}")
            inner(entry, within(place, name))

    return check


def fields(known: Mapping[str, Check], *, optional: Mapping[str, Check] | None = None) -> Check:
    """An object with exactly these fields, and any of the optional ones."""
    possible = {**known, **(optional or {})}

    def check(value: Any, place: str) -> None:
        if not isinstance(value, dict):
            raise FieldError(place, f"{shown(value)} is no object")
        for name in value:
            if name not in possible:
                raise FieldError(
                    place, f"unknown field {shown(name)}; known: {', '.join(possible)}"
                )
        for name in known:
            if name not in value:
                raise FieldError(place, f"lacks the field {name!r}")
        for name, entry in value.items():
            possible[name](entry, within(place, name))

    return check


def plain(depth: int, most: int, longest: int) -> Check:
    """Any JSON value, nested at most `depth` deep, of `most` parts of `longest` characters."""
    key, leaf = line(longest), text(longest)

    def check(value: Any, place: str) -> None:
        waiting, seen = [(value, 0)], 0
        while waiting:
            part, level = waiting.pop()
            seen += 1
            if level > depth:
                raise FieldError(place, f"nested deeper than {depth}")
            if seen + len(waiting) > most:
                raise FieldError(place, f"more than {most} parts")
            if isinstance(part, dict):
                for name in part:
                    key(name, f"a key in {place}")
                waiting += [(inner, level + 1) for inner in part.values()]
            elif isinstance(part, list):
                waiting += [(inner, level + 1) for inner in part]
            elif isinstance(part, str):
                leaf(part, place)

    return check


def task_key(most: int) -> Check:
    """A task key in its canonical writing."""
    fits = line(most, least=1)

    def check(value: Any, place: str) -> None:
        fits(value, place)
        try:
            key = TaskKey.parse(value)
        except CoTGapError as error:
            raise FieldError(place, str(error)) from None
        if str(key) != value:
            raise FieldError(place, f"{shown(value)} is written otherwise than {str(key)!r}")

    return check


def is_web_address(text: str) -> bool:
    """Whether it is an http(s) address in ASCII that hides no name or password."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
    except ValueError:
        return False
    return bool(good) and text.isascii() and not re.search(r"[\s\"'<>\\`]", text)


def web_address(most: int) -> Check:
    """Empty, or what `is_web_address` takes."""
    fits = line(most)

    def check(value: Any, place: str) -> None:
        fits(value, place)
        if value and not is_web_address(value):
            raise FieldError(place, f"{shown(value)} is no http:// or https:// address in ASCII")

    return check

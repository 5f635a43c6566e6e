"""Writes dataclasses as JSON and reads them back; their annotations declare what is allowed.

A dataclass that inherits `Record` is written by `to_json` and read by `from_json` or `parse`. The
values read must have the declared types (`"1"` is no number, nor is `true`), and no other field is
allowed. Otherwise a `CoTGapError` names the place, the value and what is allowed. Hostile input is
read with `foreign=True`, which also applies the limits that `foreign` puts on a type.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from enum import Enum
from functools import cache, partial
from typing import Annotated, Any, TypeVar, cast

from pydantic import (
    AfterValidator,
    FailFast,
    Field,
    PlainSerializer,
    PlainValidator,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
)
from typing_extensions import Self

from cotgap.envs.core import CoTGapError, TaskKey
from cotgap.envs.text import to_json

HALF = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")
"""What may be half a surrogate pair in JSON: an escape, or bytes that UTF-8 does not allow."""
STAND_INS = 0x800  # as many as there are halves
PRIVATE = range(0xF0000 // STAND_INS, 0x110000 // STAND_INS)
SHOWN = 60  # characters of a bad value in a message: enough to find it
# Limits on JSON without a declared form (an agent's description, training settings).
DEPTH, PARTS, LONGEST = 6, 2_000, 4_000
LABEL = 200  # characters of a version, a processor's name, a key
T = TypeVar("T")


class Record:
    """Base class of dataclasses that are written as JSON and read back."""

    __slots__ = ()

    def to_json(self) -> dict[str, Any]:
        """A JSON-able mapping, its fields in the order of their declaration."""
        return dict(self._adapter().dump_python(self, mode="json", warnings=False))

    @classmethod
    def from_json(cls, data: Any, *, foreign: bool = False) -> Self:
        """The inverse of `to_json`; raises `CoTGapError` for anything else."""
        return cls.parse(json.dumps(data), foreign=foreign)

    @classmethod
    def parse(cls, text: str | bytes, *, foreign: bool = False) -> Self:
        """Read JSON text; raises `CoTGapError` as `from_json` does."""
        if isinstance(text, str):
            text = text.encode("utf-8", "surrogatepass")
        try:
            if HALF.search(text):
                return cls._parse_halves(text, foreign=foreign)
            record = cls._adapter().validate_json(
                text, strict=True, extra="forbid", context=foreign
            )
        except ValidationError as error:
            raise CoTGapError(_explained(error)) from error
        assert isinstance(record, cls)
        return record

    @classmethod
    def _parse_halves(cls, text: bytes, *, foreign: bool) -> Self:
        """Read JSON with escapes of half characters, which pydantic refuses.

        It reads stand-ins for them, of a block of Unicode that the text has no character of.
        """
        try:
            content = json.loads(text)
            used = {ord(char) // STAND_INS for char in to_json(content)}
            block = next((number for number in PRIVATE if number not in used), None)
            if block is None:
                raise CoTGapError("half a character in a text that uses every private character")
            stand_ins = {0xD800 + n: block * STAND_INS + n for n in range(STAND_INS)}
            written = json.dumps(_translated(content, stand_ins), ensure_ascii=False)
        except (ValueError, RecursionError) as error:
            raise CoTGapError(f"not JSON: {error}") from error
        halves = {there: here for here, there in stand_ins.items()}
        found = cls._adapter().validate_json(written, strict=True, extra="forbid", context=foreign)
        return cast(Self, _translated(found, halves))

    @classmethod
    @cache
    def _adapter(cls) -> TypeAdapter[Any]:
        return TypeAdapter(cls)


def _translated(value: Any, table: Mapping[int, int]) -> Any:
    """JSON, or a record, with every text in it translated."""
    if isinstance(value, str) and not isinstance(value, Enum):
        return value.translate(table)
    if isinstance(value, Mapping):
        return {_translated(name, table): _translated(v, table) for name, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_translated(part, table) for part in value)
    if isinstance(value, Record):
        return replace(
            cast(Any, value),
            **{
                f.name: _translated(getattr(value, f.name), table) for f in fields(cast(Any, value))
            },
        )
    return value


def _explained(error: ValidationError) -> str:
    """The first error as `place: problem`; another schema is named first, since it explains all."""
    errors = error.errors(include_url=False)
    first = min(errors, key=lambda one: one["loc"] != ("schema",))
    *above, last = first["loc"] or ("",)
    if first["type"] == "missing":
        place, problem = above, f"lacks the field {str(last)!r}"
    elif first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        place, problem = above, f"unknown field {shown(last)}"
    else:
        place = [*above, last]
        if raised := first.get("ctx", {}).get("error"):
            problem = f"not JSON: {raised}" if first["type"] == "json_invalid" else str(raised)
        else:
            # "Input should be ...", "String should match ...": the value replaces the first word
            problem = f"{shown(first['input'])} {first['msg'].partition(' ')[2]}"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return ": ".join(filter(None, (_path(place), problem + more)))


def _path(place: list[int | str]) -> str:
    """`runs[0].versions[1].torch`; what is not plain in a key is escaped."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{ascii(part)[1:-1]}" for part in place]
    return "".join(parts).removeprefix(".")


def shown(value: Any) -> str:
    """A bad value, cut and escaped, so that it is safe on a terminal."""
    if isinstance(value, (dict, list)):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    text = ascii(value[:SHOWN]) if isinstance(value, str) else ascii(value)
    return text if len(text) <= 2 * SHOWN else f"{text[: 2 * SHOWN]}..."


def foreign(check: Callable[[Any], None]) -> AfterValidator:
    """A limit on foreign input only; `check` raises `ValueError`."""

    def checked(value: T, info: ValidationInfo) -> T:
        if info.context:
            check(value)
        return value

    return AfterValidator(checked)


def line(most: int, *, least: int = 0) -> AfterValidator:
    """A limit: the text is a line that can be shown beside others' lines (see `check_line`)."""
    return foreign(partial(check_line, most=most, least=least))


def check_line(text: str, most: int = LABEL, least: int = 0) -> None:
    """Raise `ValueError` where a text is not one printable line of `least` to `most` characters.

    The line may hold no control character, no invisible one and none that changes the direction of
    writing. It must be in Unicode's normal form C, without white space around it.
    """
    if len(text) > most:
        raise ValueError(f"{len(text)} characters, where {most} are allowed")
    if len(text) < least:
        raise ValueError("empty, but needed")
    if not text.isprintable():
        bad = next(char for char in text if not char.isprintable())
        raise ValueError(f"holds U+{ord(bad):04X}, which is invisible or a control")
    if text != text.strip():
        raise ValueError(f"{shown(text)} has white space around it")
    if not unicodedata.is_normalized("NFC", text):
        raise ValueError(f"{shown(text)} is not in Unicode's normal form C")


def check_distinct(texts: tuple[str, ...]) -> None:
    """Raise `ValueError` where there is no text, or one that occurs twice."""
    if not texts:
        raise ValueError("empty, but needed")
    if len(set(texts)) < len(texts):
        raise ValueError("lists an item twice")


def check_free(value: Any) -> None:
    """Raise `ValueError` for JSON that is nested too deep, has too many parts or too long texts."""
    waiting, seen = [(value, 0)], 0
    while waiting:
        part, level = waiting.pop()
        seen += 1
        if level > DEPTH:
            raise ValueError(f"nested deeper than {DEPTH}")
        if seen + len(waiting) > PARTS:
            raise ValueError(f"more than {PARTS} parts")
        if isinstance(part, Mapping):
            for name in part:
                check_line(name)
            waiting += [(inner, level + 1) for inner in part.values()]
        elif isinstance(part, list):
            waiting += [(inner, level + 1) for inner in part]
        elif isinstance(part, str) and len(part) > LONGEST:
            raise ValueError(f"a text of {len(part)} characters, where {LONGEST} are allowed")


def _task_key(value: Any, info: ValidationInfo) -> TaskKey:
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} should be a valid string")
    if info.context:
        check_line(value, 300)
    try:
        key = TaskKey.parse(value)
    except CoTGapError as error:
        raise ValueError(str(error)) from None
    if str(key) != value:
        raise ValueError(f"{shown(value)} is written otherwise than {str(key)!r}")
    return key


def _real(value: Any) -> float:
    if type(value) not in (int, float):
        raise ValueError(f"{shown(value)} should be a valid number")
    return value  # type: ignore[no-any-return]


def _check_score(value: float) -> None:
    if not -1e9 <= value <= 1e9:
        raise ValueError(f"{value} should be from -1e9 to 1e9")


def _check_file_name(name: str) -> str:
    if name in ("", ".", "..") or any(sign in name for sign in "/\\\0"):
        raise ValueError(f"{shown(name)} names no folder")
    return name


# Reading ends at the first wrong item; otherwise a hostile list could make as many errors.
Items = Annotated[tuple[T, ...], FailFast()]
Line = Annotated[str, line(LABEL)]
Label = Annotated[str, line(LABEL, least=1)]
Free = Annotated[Mapping[str, Any], foreign(check_free)]
FileName = Annotated[str, AfterValidator(_check_file_name)]
"""The name of a file in a folder, which cannot lead out of the folder."""
Count = Annotated[int, Field(ge=0, le=10**12)]
Positive = Annotated[int, Field(ge=1, le=10**9)]
Seconds = Annotated[float, Field(ge=0, le=10**8)]  # to three years
Key = Annotated[TaskKey, PlainValidator(_task_key), PlainSerializer(str)]
Real = Annotated[float, PlainValidator(_real), PlainSerializer(lambda number: number)]
"""A number that stays int or float, because a configuration's digest tells 1 from 1.0."""
Score = Annotated[float, foreign(_check_score)]

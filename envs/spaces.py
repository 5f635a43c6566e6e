"""The text space of observations and actions, usable by Gymnasium's asynchronous vector envs.

Gymnasium (1.4) reads shared memory once, when an `AsyncVectorEnv` is made, and relies on arrays
being live views of it. Strings are not, so every later observation of a plain `spaces.Text`
would read as the first. `TextSpace` stores code points and hands out a live sequence instead.
"""

from __future__ import annotations

import multiprocessing
import string
from collections.abc import Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils.shared_memory import (
    create_shared_memory,
    read_from_shared_memory,
    write_to_shared_memory,
)

# What the suites' texts are written in: ASCII, the Latin-1 letters and marks that human annotators
# used in task sentences, and typographic punctuation.
TEXT_CHARSET = (
    frozenset(string.printable) | frozenset(map(chr, range(0xA0, 0x100))) | frozenset("–—‘’“”…•")
)


class TextSpace(spaces.Text):
    """Strings of at most `max_length` characters from `TEXT_CHARSET` and `extra`."""

    def __init__(self, max_length: int, extra: Iterable[str] = ()) -> None:
        super().__init__(max_length, min_length=0, charset=TEXT_CHARSET | frozenset(extra))


class _LiveTexts(Sequence[str]):
    """The current texts of all environments; a copy of it is a plain tuple of strings."""

    def __init__(self, cells: np.ndarray[Any, Any]) -> None:
        self._cells = cells

    def __len__(self) -> int:
        return len(self._cells)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return tuple(self)[index]
        length = int(self._cells[index, 0])
        return self._cells[index, 1 : length + 1].tobytes().decode("utf-32-le")

    def __iter__(self) -> Iterator[str]:
        return (self[index] for index in range(len(self)))

    def __deepcopy__(self, memo: dict[int, Any]) -> tuple[str, ...]:
        return tuple(self)


def _cells(space: TextSpace, memory: Any) -> np.ndarray[Any, Any]:
    """One row an environment: the text's length, then its code points."""
    return np.frombuffer(memory.get_obj(), dtype="<i4").reshape(-1, space.max_length + 1)


@create_shared_memory.register(TextSpace)
def _create(space: TextSpace, n: int = 1, ctx: ModuleType = multiprocessing) -> Any:
    return ctx.Array("i", n * (space.max_length + 1))


@read_from_shared_memory.register(TextSpace)
def _read(space: TextSpace, shared_memory: Any, n: int = 1) -> _LiveTexts:
    return _LiveTexts(_cells(space, shared_memory))


@write_to_shared_memory.register(TextSpace)
def _write(space: TextSpace, index: int, value: str, shared_memory: Any) -> None:
    points = np.frombuffer(value.encode("utf-32-le"), dtype="<i4")
    if len(points) > space.max_length:
        raise ValueError(f"text of {len(points)} characters; the space holds {space.max_length}")
    row = _cells(space, shared_memory)[index]
    row[0] = len(points)
    row[1 : len(points) + 1] = points

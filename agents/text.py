"""What backends do to text."""

from __future__ import annotations

from collections.abc import Sequence


def cut_at_stop(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """`text` up to and including the earliest stop string, and whether there is one."""
    ends = [at + len(string) for string in stop if (at := text.find(string)) >= 0]
    return (text[: min(ends)], True) if ends else (text, False)

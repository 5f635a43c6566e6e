"""Files that a kill at any moment leaves whole."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cotgap.envs.core import CoTGapError
from cotgap.envs.text import to_json


def write_json(path: Path, content: Any) -> None:
    """Write a file of JSON in one piece; see `write_lines`."""
    write_text(path, to_json(content, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file in one piece; see `write_lines`."""
    write_lines(path, [text])


def write_lines(path: Path, texts: Iterable[str]) -> int:
    """Write texts into one file, and its folder where there is none; returns how many.

    A kill leaves the old file or the new one. Raises `CoTGapError` where it cannot be written; the
    old one is then untouched.
    """
    fresh, count = path.with_name(f"{path.name}.tmp"), 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("w", encoding="utf-8") as file:
            for text in texts:
                file.write(text)
                count += 1
        os.replace(fresh, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise CoTGapError(
            f"cannot write {path}: {error}. What was there before is untouched: make room, or "
            "allow it to be written, and run the same command again"
        ) from error
    return count

"""Files that a kill at any moment leaves whole."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import IO, Any

from cotgap.envs.core import CoTGapError


def acquire(path: Path, *, wait: bool = False) -> IO[str]:
    """Hold a lock file until it is closed.

    Where another process holds it: waits for it to end, or raises `CoTGapError`.
    """
    lock = path.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        lock.close()
        raise CoTGapError(
            f"{path.parent} is being written by another run. Wait for it, or give another --out."
        ) from None
    return lock


def append_line(file: IO[str], content: Any) -> None:
    """Write a line of JSON and see it onto the disk; raises `OSError`."""
    file.write(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n")
    file.flush()
    os.fsync(file.fileno())


def cut_torn_line(path: Path) -> int:
    """Cut an unfinished last line; returns its length in bytes."""
    if not path.exists():
        return 0
    with path.open("rb+") as file:
        data = file.read()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            file.truncate(whole)
    return len(data) - whole


def write_json(path: Path, content: Any) -> None:
    """Write a file in one piece: a kill leaves the old one or the new one."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """See `write_json`."""
    fresh = path.with_name(f"{path.name}.tmp")
    fresh.write_text(text, encoding="utf-8")
    os.replace(fresh, path)

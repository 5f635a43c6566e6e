"""A log that takes one record a line, and the lock of who writes it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import warnings
from pathlib import Path
from typing import IO, Any

from cotgap.envs.core import CoTGapError
from cotgap.envs.text import to_json


def acquire(path: Path, *, wait: bool = False) -> IO[str]:
    """Hold a lock file until it is closed.

    Where another process holds it: waits for it to end, or raises `CoTGapError`, as it does where
    there can be no such file. On a file system without locks, warns and holds nothing.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("w")
    except OSError as error:
        raise CoTGapError(f"cannot write in {path.parent}: {error}. Give another folder") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        lock.close()
        raise CoTGapError(
            f"{path.parent} is being written by another run. Wait for it, or give another --out."
        ) from None
    except OSError as error:
        warnings.warn(
            f"files cannot be locked here ({error.strerror}), so nothing keeps a second process "
            "from writing into the same folder",
            stacklevel=2,
        )
    return lock


class Log:
    """A file that records are appended to, one JSON a line, each seen onto the disk.

    Raises `CoTGapError` where a record cannot be written; all before it are safe then.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # Without a buffer, which closing would try to write once more.
        self._file = path.open("ab", buffering=0)

    def append(self, record: Any) -> None:
        """Write one record and see it onto the disk."""
        line = memoryview((to_json(record, separators=(",", ":")) + "\n").encode())
        end = os.fstat(self._file.fileno()).st_size
        try:
            while line:
                line = line[self._file.write(line) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):
                self._file.truncate(end)
            raise CoTGapError(
                f"cannot write {self._path}: {error}. What was written so far is safe: make "
                "room and run the same command again"
            ) from error

    def close(self) -> None:
        """Let go of the file."""
        with contextlib.suppress(OSError):  # each record was seen onto the disk
            self._file.close()


def cut_torn_line(path: Path) -> int:
    """Cut an unfinished last line; returns its length in bytes.

    The file's time of writing stays that of its last record.
    """
    if not path.exists():
        return 0
    with path.open("rb+") as file:
        data, facts = file.read(), os.fstat(file.fileno())
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            file.truncate(whole)
            os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    return len(data) - whole

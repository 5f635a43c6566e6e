"""What signals, pipes and terminals do to a command: it stops cleanly, or goes on unheard."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from typing_extensions import Buffer

STOPPING = (signal.SIGTERM, signal.SIGHUP)
"""What stops a command as Ctrl-C does: what SLURM sends, and a terminal that closes."""
GONE = (errno.EPIPE, errno.EIO, errno.ENXIO, errno.EBADF)
"""How writing fails where nobody is left to read it."""


class Stop:
    """Which signal, if any, has stopped the command."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def code(self, code: int) -> int:
        """The exit code by convention, of a command that would else leave with `code`."""
        return code if self.signal is None else 128 + self.signal

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        self.signal = signal.Signals(number)
        for one in STOPPING:  # a second one must not tear what the first one ends
            signal.signal(one, signal.SIG_IGN)
        raise KeyboardInterrupt


@contextmanager
def stopping() -> Iterator[Stop]:
    """While it lasts, the signals of `STOPPING` raise `KeyboardInterrupt`, unless ignored before.

    Must be entered in the main thread.
    """
    stop = Stop()
    before = {one: signal.getsignal(one) for one in STOPPING}
    for one, handler in before.items():
        if handler is not signal.SIG_IGN:  # as under nohup
            signal.signal(one, stop._on_signal)
    try:
        yield stop
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@contextmanager
def held_back() -> Iterator[None]:
    """Ctrl-C and the signals of `STOPPING` wait until the block ends.

    For imports: native code that is interrupted while it is loaded may swallow the interruption and
    go on with a half of itself. Must be entered in the main thread.
    """
    came: list[int] = []
    handlers = {one: signal.getsignal(one) for one in (signal.SIGINT, *STOPPING)}
    waiting = [one for one, handler in handlers.items() if handler is not signal.SIG_IGN]
    for one in waiting:
        signal.signal(one, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for one in waiting:
            signal.signal(one, handlers[one])
        if came:
            signal.raise_signal(came[0])


class _Outlet(io.RawIOBase):
    """A descriptor that is written to; what nobody can read any more is dropped.

    Any other failure of stdout is raised once, and drops the rest; stderr's is no reason to stop.
    """

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor, self.name = descriptor, name
        self._lost = False

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, data: Buffer) -> int:
        size = memoryview(data).nbytes
        if self._lost:
            return size
        try:
            return os.write(self._descriptor, data)
        except OSError as error:
            self._lost = True
            if error.errno in GONE or self.name == "stderr":
                return size
            raise OSError(error.errno, error.strerror, self.name) from error


def open_streams() -> None:
    """Give stdout and stderr these properties, and replace letters that a terminal lacks."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by who started us
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif type(stream) is io.TextIOWrapper:
            outlet = io.BufferedWriter(_Outlet(stream.fileno(), name))
            fresh = io.TextIOWrapper(
                outlet,
                encoding=stream.encoding,
                errors="replace" if name == "stdout" else stream.errors,
                line_buffering=stream.line_buffering,
                write_through=stream.write_through,
            )
            setattr(sys, name, fresh)

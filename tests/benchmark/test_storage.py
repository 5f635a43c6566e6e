"""Disks that are full, folders that cannot be written, file systems without locks."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cotgap.benchmark.records.files import Log, acquire
from cotgap.benchmark.records.store import EPISODES, read_episodes, read_sessions
from cotgap.envs.core import CoTGapError
from cotgap.envs.files import write_text
from tests.commands import cotgap

ROOT = Path(__file__).parents[2]
# Root may write where nobody may, unless that is taken away.
ROOTS = ("setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override")
BOUND = ROOTS if os.geteuid() == 0 else ()
RUN = ("run", "--agent", "noisy", "--panel", "toy/id", "--episodes", "6", "--mode", "both")
COMMANDS: dict[str, Callable[[Path], tuple[str, ...]]] = {
    "run": lambda out: (*RUN, "--out", f"{out}/new"),
    "probe": lambda out: (
        *("probe", "branch", "--agent", "noisy", "--panel", "toy/id", "--episodes", "6"),
        *("--out", f"{out}/new"),
    ),
    "report": lambda out: ("report", f"{out}/run", "--out", f"{out}/new"),
    "submit": lambda out: ("submit", f"{out}/run", "--out", f"{out}/new.jsonl.xz"),
    "compare": lambda out: ("compare", f"{out}/run", f"{out}/other", "--markdown", f"{out}/new/m"),
    "data": lambda out: (
        *("data", "--panel", "toy/train", "--episodes", "20", "--out", f"{out}/new/data"),
    ),
    "train": lambda out: (
        *("train", "--init", str(ROOT / "agents/checkpoints/tiny-base"), "--panel", "toy/train"),
        *("--steps", "1", "--batch-size", "1", "--out", f"{out}/new"),
    ),
    "sweep": lambda out: (
        *("sweep", "--checkpoints", str(ROOT / "agents/checkpoints/tiny-base")),
        *(
            "--panel",
            "toy/id",
            "--episodes",
            "1",
            "--max-steps",
            "1",
            "--action-tokens",
            "1",
            "--thought-tokens",
            "1",
        ),
        *("--out", f"{out}/new"),
    ),
}


@pytest.fixture
def played(tmp_path: Path) -> Path:
    """A folder with two runs."""
    assert cotgap(*RUN, "--out", tmp_path / "run").exit_code == 0
    assert cotgap(*RUN, "--seed", "1", "--out", tmp_path / "other").exit_code == 0
    return tmp_path


def within(limit: int, *arguments: str, bound: tuple[str, ...] = ()) -> tuple[int, str]:
    """(exit code, stderr) of a command that may write no file larger than that many bytes."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        [*bound, sys.executable, "-m", "cotgap", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        preexec_fn=limited,
        timeout=200,
    )
    return done.returncode, done.stderr


def said_in_one_line(stderr: str) -> str:
    """The error, if it is one line that says what to do, and no traceback besides."""
    assert "Traceback" not in stderr, stderr
    assert "Exception ignored" not in stderr, stderr
    (line,) = [line for line in stderr.splitlines() if line.startswith("error: ")]
    return line


@pytest.mark.parametrize("name", COMMANDS)
def test_no_room(name: str, played: Path) -> None:
    code, stderr = within(100, *COMMANDS[name](played))
    assert code == 2, stderr
    assert "File too large" in said_in_one_line(stderr)


def test_no_room_for_a_checkpoint(played: Path) -> None:
    """Nor for the batches that another process makes, if they came through shared memory."""
    code, stderr = within(900_000, *COMMANDS["train"](played))
    assert code == 2, stderr
    assert "cannot save" in said_in_one_line(stderr)
    assert "File too large" in stderr


@pytest.mark.parametrize("limit", [3_000, 20_000])
def test_a_run_without_room_goes_on_where_there_is_some(tmp_path: Path, limit: int) -> None:
    command = (*RUN, "--out", str(tmp_path / "run"))
    code, stderr = within(limit, *command)
    assert code == 2, stderr
    assert "What was written so far is safe: make room" in said_in_one_line(stderr)
    path = tmp_path / "run" / EPISODES
    assert not path.exists() or not path.read_bytes() or path.read_bytes().endswith(b"\n")
    done = cotgap(*command)
    assert done.exit_code == 0, done.stderr
    assert cotgap(*RUN, "--out", tmp_path / "whole").exit_code == 0
    found, wanted = ({e.id: e for e in read_episodes(tmp_path / name)} for name in ("run", "whole"))
    assert found == wanted
    assert sum(session.episodes for session in read_sessions(tmp_path / "run")) == 12


@pytest.mark.parametrize("name", COMMANDS)
def test_a_folder_that_cannot_be_written(name: str, played: Path) -> None:
    played.chmod(0o555)
    try:
        code, stderr = within(resource.RLIM_INFINITY, *COMMANDS[name](played), bound=BOUND)
    finally:
        played.chmod(0o755)
    assert code == 2, stderr
    assert "Permission denied" in said_in_one_line(stderr)


@pytest.mark.parametrize("limit", [100, 20_000])
def test_a_finished_run_that_may_not_be_written_is_told_so(played: Path, limit: int) -> None:
    """Its lock, its session and its summary are what is left to write."""
    code, stderr = within(limit, *RUN, "--out", f"{played}/run")
    assert code in (0, 2), stderr
    if code:
        said_in_one_line(stderr)


def test_a_log_that_fails_keeps_whole_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(tmp_path / "log")
    log.append({"a": 1})

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CoTGapError, match=r"No space left on device\. What was written so far"):
        log.append({"b": 2})
    log.close()
    assert (tmp_path / "log").read_text() == '{"a":1}\n'


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text(path, "before")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(CoTGapError, match="What was there before is untouched"):
            write_text(path, "x" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS])
def test_without_locks_a_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def none(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", none)
    done = cotgap(*RUN, "--out", tmp_path / "run")
    assert done.exit_code == 0, done.stderr
    assert done.stderr.count("files cannot be locked here") == 1


def test_only_a_held_lock_is_another_run(tmp_path: Path) -> None:
    held = acquire(tmp_path / ".lock")
    with pytest.raises(CoTGapError, match="being written by another run"):
        acquire(tmp_path / ".lock")
    held.close()
    acquire(tmp_path / ".lock").close()

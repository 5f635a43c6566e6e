"""Runs commands of `cotgap` as `cotgap.cli.main` runs them, in the test's process or another."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import pytest

from cotgap.cli import main


class Done(NamedTuple):
    """What a command printed, and the code that it left with."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


def cotgap(*arguments: str | Path, columns: int = 80, unfold: str = "") -> Done:
    """What `cotgap ARGUMENTS` does in a terminal of that width; `unfold` as `main` takes it."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch("sys.argv", ["cotgap", *map(str, arguments)]),
        mock.patch.dict(os.environ, COLUMNS=str(columns)),
        warnings.catch_warnings(),  # `main` shows them in its own way
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as left,
    ):
        main(unfold)
    return Done(int(left.value.code or 0), out.getvalue(), err.getvalue())


def elsewhere(
    env: Mapping[str, str], cwd: Path, *lines: Sequence[str], columns: int = 80
) -> list[Done]:
    """What commands do, one after the other, in one process with that environment."""
    code = "import json, sys; from tests.commands import cotgap\n"
    code += (
        f"print(json.dumps([cotgap(*line, columns={columns}) for line in json.load(sys.stdin)]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env=env,
        input=json.dumps(lines),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return [Done(*found) for found in json.loads(done.stdout)]

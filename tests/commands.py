"""Runs a command of `cotgap` in the test's own process, as `cotgap.cli.main` runs it."""

from __future__ import annotations

import contextlib
import io
import os
import warnings
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

"""Functions that all tools' command lines share."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

import typer

from cotgap.envs.core import CoTGapError, Suite, SuiteUnavailableError


def run(app: typer.Typer, arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command line, by default this process's, and exit.

    An error that the user can solve (`CoTGapError`) is one line on stderr and exit code 2.
    """
    try:
        app(arguments)
    except CoTGapError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    sys.exit()


def need(suite: Suite) -> None:
    """Raise `SuiteUnavailableError` where a suite cannot be used."""
    now = suite.availability()
    if not now.usable:
        raise SuiteUnavailableError(suite.name, now.reason, now.fix)

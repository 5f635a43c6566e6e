"""What the command lines of suites share."""

from __future__ import annotations

import sys

import typer

from cotgap.envs.core import CoTGapError


def run(app: typer.Typer) -> None:
    """Run a command line; an error its user can solve is a message and exit code 2."""
    try:
        app()
    except CoTGapError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)

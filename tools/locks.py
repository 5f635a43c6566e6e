"""Rewrites the published locks."""

from __future__ import annotations

import json

import typer

from cotgap.envs.locks import FILE
from cotgap.envs.registry import suites
from tools.cli import run

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: `python -m tools.locks`")
def main() -> None:
    """Write the lock of every panel to `locks.json`.

    Do that only together with a change that is meant to make numbers incomparable, and say so in
    the changelog.
    """
    locks = {p.name: p.lock for suite in suites().values() for p in suite.panels.values()}
    FILE.write_text(json.dumps(locks, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{FILE.name}: {len(locks)} panels")


if __name__ == "__main__":
    run(app)

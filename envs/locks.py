"""The published locks: `locks.json` beside this file, the lock of every panel as released.

`python -m cotgap.envs.locks` rewrites the file; do that only together with a change that is meant
to make numbers incomparable (and say so in the changelog).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from cotgap.envs.core import Panel
from cotgap.envs.registry import suites

FILE = Path(__file__).with_name("locks.json")


def published() -> dict[str, str]:
    """Panel name → lock, as released."""
    return dict(json.loads(FILE.read_text(encoding="utf-8")))


def changed() -> list[Panel]:
    """The panels whose lock is not the published one: their numbers compare with nobody's."""
    known = published()
    return [
        panel
        for suite in suites().values()
        for panel in suite.panels.values()
        if known.get(panel.name) != panel.lock
    ]


if __name__ == "__main__":
    argparse.ArgumentParser("python -m cotgap.envs.locks", description=__doc__).parse_args()
    locks = {p.name: p.lock for suite in suites().values() for p in suite.panels.values()}
    FILE.write_text(json.dumps(locks, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{FILE.name}: {len(locks)} panels")

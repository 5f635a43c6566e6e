"""The published locks: `locks.json` beside this file, the lock of every panel as released."""

from __future__ import annotations

import json
from pathlib import Path

from cotgap.envs.core import Panel
from cotgap.envs.registry import suites

FILE = Path(__file__).with_name("locks.json")


def published() -> dict[str, str]:
    """Panel name → lock, as released."""
    return dict(json.loads(FILE.read_text(encoding="utf-8")))


def changed() -> list[Panel]:
    """The panels whose lock is not the published one; their numbers are not comparable."""
    known = published()
    return [
        panel
        for suite in suites().values()
        for panel in suite.panels.values()
        if known.get(panel.name) != panel.lock
    ]

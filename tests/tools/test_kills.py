"""A handful of random kills, always the same ones; `python -m tools.kills` tries more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("victim", ["run", "probe", "report", "submit"])
def test_killed_commands_leave_what_undisturbed_ones_do(victim: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.kills", "--victim", victim, "--kills", "4", "--seed", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert victim in done.stdout

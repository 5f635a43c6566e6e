"""ScienceWorld's simulator for the tests that need it."""

from __future__ import annotations

import os

import pytest

from cotgap.envs.scienceworld import SUITE


@pytest.fixture
def scienceworld() -> None:
    """Skips where ScienceWorld cannot be played; fails there in CI."""
    now = SUITE.availability()
    if not now.usable:
        assert not os.environ.get("CI"), f"{now.reason}. Fix: {now.fix}"
        pytest.skip(f"{now.reason}. Fix: {now.fix}")

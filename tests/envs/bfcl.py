"""What the tests of the BFCL suite share."""

from __future__ import annotations

import os

import pytest

from cotgap.envs.bfcl.env import BFCLEnv
from cotgap.envs.bfcl.suite import SUITE


def need_package() -> None:
    """Skip the test without the package (fail in CI)."""
    now = SUITE.availability()
    if not now.usable:
        assert not os.environ.get("CI"), f"{now.reason}. Fix: {now.fix}"
        pytest.skip(f"{now.reason}. Fix: {now.fix}")


def started(split: str, task: str) -> BFCLEnv:
    """An environment at the beginning of a task."""
    env = SUITE.make(SUITE.panels[split])
    env.reset(options={"task": task})
    return env

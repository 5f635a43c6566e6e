"""Runs that several tests compare."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compare.folders import play

# A project of its own, which `test_plugin.py` runs as one.
collect_ignore = ["example_project"]


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return play(tmp_path_factory.mktemp("good") / "run", "noisy:prompt=0.2,cot=0.05")


@pytest.fixture(scope="session")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return play(tmp_path_factory.mktemp("bad") / "run", "noisy:prompt=0.6,cot=0.4")

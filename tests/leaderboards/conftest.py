"""Honest submissions, made once from real runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from cotgap.leaderboards.entries import read_entries
from cotgap.leaderboards.schema import Entry
from tests.leaderboards.making import play, submit

PANELS = ("toy/id", "household/id")


@pytest.fixture(scope="session")
def noisy_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("noisy") / "run"
    return play(folder, "noisy:prompt=0.5,cot=0.3", PANELS, 3)


@pytest.fixture(scope="session")
def honest(noisy_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A submission of the noisy expert on two suites in both modes."""
    return submit(tmp_path_factory.mktemp("honest") / "noisy.jsonl.xz", noisy_run)


@pytest.fixture(scope="session")
def committed() -> list[Entry]:
    """The entries that the project commits; reading them all takes seconds."""
    return read_entries()

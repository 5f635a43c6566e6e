"""The cache folder, for users with and without a home."""

from __future__ import annotations

import pwd
from pathlib import Path

import pytest

from cotgap.envs import get_suite
from cotgap.envs.cache import VARIABLE, cache_dir


@pytest.fixture(autouse=True)
def _nowhere_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (VARIABLE, "XDG_CACHE_HOME", "LOCALAPPDATA", "ALFWORLD_DATA", "HOME"):
        monkeypatch.delenv(name, raising=False)


def test_a_variable_goes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir().is_relative_to(tmp_path)
    monkeypatch.setenv(VARIABLE, "~/elsewhere")
    assert cache_dir() == tmp_path / "elsewhere"


def test_without_a_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A container's user whom no database of users knows."""

    def unknown(number: int) -> None:
        raise KeyError(number)

    assert cache_dir().name == "cotgap", "HOME alone is not needed"
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.chdir(tmp_path)
    assert cache_dir().is_relative_to(tmp_path)
    assert not get_suite("alfworld").availability().usable

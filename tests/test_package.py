"""What an installed copy needs beside its Python files."""

from __future__ import annotations

import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).parents[1]


def test_every_data_file_is_packaged() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    data = settings["tool"]["setuptools"]["package-data"]
    bundled = ROOT / "agents" / "checkpoints"
    files = [
        path
        for package in ("envs", "agents", "benchmark")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    ]
    assert files
    left_out = [
        path
        for path in files
        if not any(fnmatch(path.name, pattern) for pattern in data["*"])
        and not any(path in bundled.glob(pattern) for pattern in data["cotgap.agents.checkpoints"])
    ]
    assert not left_out

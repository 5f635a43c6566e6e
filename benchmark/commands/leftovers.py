"""Installs of CoTGap from before its import name was `cotgap`, which are still in the way."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path

TOP_LEVEL = ("agents", "benchmark", "envs", "leaderboards")
"""What was importable by itself; other people's packages have these names, too."""


def leftovers(paths: Sequence[str] | None = None) -> list[Path]:
    """Files and metadata folders, along `sys.path`, that make `TOP_LEVEL` packages importable."""
    paths = sys.path if paths is None else paths
    found = []
    for folder in dict.fromkeys(Path(path) for path in paths if path):
        found += [path for path in folder.glob("__editable___cotgap_*_finder.py") if _maps(path)]
        found += [path for path in folder.glob("__editable__.cotgap-*.pth") if _leads(path)]
    for distribution in distributions(name="cotgap", path=list(paths)):
        if set(_packages(distribution)) & set(TOP_LEVEL):
            found.append(Path(str(distribution.locate_file(""))) / _folder(distribution))
    return found


def _maps(finder: Path) -> bool:
    """Whether setuptools' finder of an editable install maps one of the packages."""
    mapping = re.search(
        r"^MAPPING\b.*?=(.*)$", finder.read_text(encoding="utf-8", errors="replace"), re.MULTILINE
    )
    return mapping is not None and any(f"'{name}':" in mapping[1] for name in TOP_LEVEL)


def _leads(pth: Path) -> bool:
    """Whether a line is the folder of an old clone."""
    lines = map(Path, pth.read_text(encoding="utf-8", errors="replace").splitlines())
    return any(
        (line / "envs/core.py").exists() and not (line / "cotgap").exists() for line in lines
    )


def _packages(distribution: Distribution) -> Iterator[str]:
    """What an install made importable. (An egg-info lists its sources, which is another matter.)"""
    yield from (distribution.read_text("top_level.txt") or "").split()
    for line in (distribution.read_text("RECORD") or "").splitlines():
        yield line.partition("/")[0]


def _folder(distribution: Distribution) -> str:
    if distribution.read_text("RECORD") is None:
        return f"{distribution.name}.egg-info"
    return f"{distribution.name}-{distribution.version}.dist-info"

"""Where a command keeps its results if it is not told: the same command finds its own again."""

from __future__ import annotations

import re
from pathlib import Path

from cotgap.envs.core import CoTGapError

RUNS = Path("runs")


def label(agent: str) -> str:
    """An agent's spec as part of a folder's name."""
    return re.sub(r"[^\w.-]+", "-", Path(agent).name).strip("-.") or "agent"


def default_folder(stem: str, digest: str) -> Path:
    """`runs/STEM-DIGEST`; raises `CoTGapError` where a file is in its place."""
    folder = RUNS / f"{stem}-{digest[:8]}"
    if folder.exists() and not folder.is_dir():
        raise CoTGapError(f"{folder} is a file. Give a folder with --out.")
    return folder

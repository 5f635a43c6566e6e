"""The folder for files that are kept between runs and can be made again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

VARIABLE = "COTGAP_CACHE"


def cache_dir() -> Path:
    """`$COTGAP_CACHE`, or the platform's cache folder for us; it need not exist."""
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "cotgap"

"""The folder for files that are kept between runs and can be made again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

VARIABLE = "COTGAP_CACHE"


def home() -> Path:
    """The user's home, or the current folder for one who has none, as in some containers."""
    try:
        return Path.home()
    except RuntimeError:
        return Path.cwd()


def cache_dir() -> Path:
    """`$COTGAP_CACHE`, or the platform's cache folder for us; it need not exist."""
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or home() / ".cache"
    return Path(base).expanduser() / "cotgap"

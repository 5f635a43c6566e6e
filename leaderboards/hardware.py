"""What a machine computes with, for the record: processor, memory, GPU."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

from cotgap.envs.schema import LABEL

QUERY = ("--query-gpu=name,memory.total", "--format=csv,noheader")
PATIENCE = 20.0  # seconds for the GPUs' driver to answer


def machine() -> dict[str, str]:
    """This machine: what of it can be found out, each in a short text."""
    found = {
        "processor": _processor(),
        "cores": str(os.cpu_count() or ""),
        "memory": _memory(),
        "gpu": _gpus(),
        "system": f"{platform.system()} {platform.machine()}".strip(),
    }
    shown = {name: "".join(filter(str.isprintable, text)) for name, text in found.items()}
    return {name: text.strip()[:LABEL].strip() for name, text in shown.items() if text.strip()}


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    except (OSError, ValueError):
        pass
    return platform.processor() or platform.machine()


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not on every system
        return ""
    return f"{size / 2**30:.0f} GiB"


def _gpus() -> str:
    """By the driver's own tool: asking torch would take seconds."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return ""
    try:
        done = subprocess.run(
            [command, *QUERY], capture_output=True, text=True, timeout=PATIENCE, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return "; ".join(done.stdout.split("\n")).strip("; ")

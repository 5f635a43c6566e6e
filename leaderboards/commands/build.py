"""`cotgap board build`: the boards as static pages."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from rich.console import Console

from cotgap.benchmark.report.text import clip
from cotgap.envs.core import CoTGapError
from cotgap.leaderboards.entries import FOLDER, read_entries
from cotgap.leaderboards.options import BuildOptions


def execute(options: BuildOptions) -> None:
    """Build, and say what was written and who is not in it."""
    write_pages(options.out, options.entries.entries)


def write_pages(out: Path, entries: Path | None) -> None:
    """Build from a folder of entries, by default the project's own."""
    if importlib.util.find_spec("jinja2") is None:
        raise CoTGapError("jinja2 not installed. To fix it: pip install 'cotgap[report]'")
    from cotgap.leaderboards.site.build import write

    folder = entries or FOLDER
    built = write(read_entries(folder), out, folder)
    console = Console()
    for one in built.left:
        where = f"{clip(one.slug)}, {clip(one.panel)}" if one.panel else clip(one.slug)
        console.print(
            f"not on the boards: {where}: {clip(one.reason, 300)}",
            style="yellow",
            markup=False,
            highlight=False,
        )
    files = [path for path in out.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    console.print(
        f"{built.pages[0]} ({len(built.pages)} pages, {len(files)} files, {size:.1f} MB)",
        style="dim",
        soft_wrap=True,
    )

"""`cotgap report`: runs as static pages."""

from __future__ import annotations

import importlib.util
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from cotgap.benchmark.options import ReportOptions
from cotgap.envs.core import CoTGapError

NEEDED = ("jinja2", "matplotlib")


def execute(options: ReportOptions) -> None:
    """Write a report and open it if wanted; says which of its runs are incomplete."""
    check_needed()
    from cotgap.benchmark.report import build

    report = build.read(options.runs)
    folder = options.out or _default_folder(options.runs)
    pages = build.write(report, folder)
    console = Console()
    for run in report.incomplete:
        console.print(
            f"incomplete: {run.scored} of {run.planned} episodes of {run.label} have a score",
            style="bold yellow",
            markup=False,
            highlight=False,
        )
    for text in report.missing:
        console.print(f"incomplete: {text}", style="bold yellow", markup=False, highlight=False)
    files = [path for path in folder.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    console.print(
        f"{pages[0]} ({len(pages)} pages, {len(files)} files, {size:.1f} MB)", style="dim"
    )
    if options.show and not webbrowser.open(pages[0].resolve().as_uri()):
        console.print("no browser was found to open it with", style="yellow")


def check_needed() -> None:
    """Raise `CoTGapError` where a package that reports need is missing."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise CoTGapError(
            f"{' and '.join(missing)} not installed. To fix it: pip install 'cotgap[report]'"
        )


def _default_folder(paths: Sequence[Path]) -> Path:
    """`reports/RUN`, or `reports/RUN-and-N-more`."""
    first, more = paths[0].resolve().name, len({path.resolve() for path in paths}) - 1
    return Path("reports") / (f"{first}-and-{more}-more" if more else first)

"""What a section is, where sections are found, and what they share."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cotgap.benchmark.report.source import Report


@dataclass(frozen=True)
class Section:
    """One page of the report: a file of this folder with a `SECTION` object.

    `name` is the page's file name and its template's (`templates/NAME.html`). `build` gives what
    the template shows, as plain values, or None where these runs have nothing for it (the page is
    then left out). `reads` is for sections about something other than runs: it is given each path
    of the command line and returns what it read there, or None where the path is not its own;
    `build` finds it in `Report.extras[name]`. `accepts` says in words what that is, `holds` which
    paths within are to be read like those of the command line, `missing` what is unfinished in it.
    `write` adds files beside the page.
    """

    name: str
    title: str
    order: int
    build: Callable[[Report], Mapping[str, Any] | None]
    reads: Callable[[Path], Any | None] = lambda path: None
    accepts: str = ""
    holds: Callable[[Any], Sequence[Path]] = lambda found: ()
    missing: Callable[[Any], Sequence[str]] = lambda found: ()
    write: Callable[[Report, Path], None] = lambda report, folder: None


@cache
def sections() -> tuple[Section, ...]:
    """All sections, by scanning this folder, in the order of the pages."""
    package = importlib.import_module("cotgap.benchmark.report.sections")
    names = (module.name for module in pkgutil.iter_modules(package.__path__))
    found: list[Section] = [
        importlib.import_module(f"{__package__}.{name}").SECTION for name in names if name != "core"
    ]
    return tuple(sorted(found, key=lambda section: (section.order, section.name)))

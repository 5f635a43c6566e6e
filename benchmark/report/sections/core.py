"""What a section is, where sections are found, and what they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cotgap.benchmark.report.source import Report
from cotgap.envs.plugins import Extensions


@dataclass(frozen=True)
class Section:
    """One page of the report: a file of this folder with a `SECTION` object.

    `name` is the page's file name and its template's (`NAME.html`, in the folder `templates` or
    else among the report's own). `build` gives what the template shows, as plain values, or None
    where these runs have nothing for it (the page is then left out). `reads` is for sections about
    something other than runs: it is given each path of the command line and returns what it read
    there, or None where the path is not its own; `build` finds it in `Report.extras[name]`.
    `accepts` says in words what that is, `holds` which paths within are to be read like those of
    the command line, `missing` what is unfinished in it. `write` adds files beside the page.
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
    templates: Path | None = None


SECTIONS: Extensions[Section] = Extensions(
    "section",
    __package__,
    "SECTION",
    Section,
    helpers=("core",),
    order=lambda section: (section.order, section.name),
)


def sections() -> tuple[Section, ...]:
    """All sections, in the order of the pages."""
    return tuple(SECTIONS.all().values())

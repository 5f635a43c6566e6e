"""Build a report: read what it is about, then write its folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cotgap.benchmark.records.store import RUN
from cotgap.benchmark.report.folder import copy_files, write_folder
from cotgap.benchmark.report.render import HERE, pages, render
from cotgap.benchmark.report.sections.core import Section, sections
from cotgap.benchmark.report.source import Report, labelled, load_run
from cotgap.envs.core import CoTGapError

INDEX = "index.html"
MARK = "report.css"
"""A file by which a folder is known to hold a report, which may then be replaced."""


def read(paths: Sequence[Path]) -> Report:
    """What the paths hold: runs, and what a section reads for itself.

    Raises `CoTGapError` where a path is neither, or nothing is given.
    """
    runs, extras, missing = [], dict[str, tuple[Any, ...]](), list[str]()
    waiting, seen = [path.resolve() for path in paths], set[Path]()
    while waiting:
        path = waiting.pop(0)
        if path in seen:
            continue
        seen.add(path)
        claimed = [
            (section, found)
            for section in sections()
            if (found := _attempt(section, section.reads, path)) is not None
        ]
        for section, found in claimed:
            extras[section.name] = (*extras.get(section.name, ()), found)
            missing += _attempt(section, section.missing, found)
            waiting += [within.resolve() for within in _attempt(section, section.holds, found)]
        if not claimed:
            runs.append(load_run(_run_folder(path)))
    if not runs and not extras:
        raise CoTGapError("nothing to report on: give at least one run folder")
    return Report(labelled(runs), extras, tuple(missing))


def write(report: Report, out: Path) -> list[Path]:
    """Write the report's folder as a whole; returns its pages, the first one first.

    A folder that holds an earlier report is replaced, any other that is not empty is refused.
    """
    return [out / name for name in write_folder(out, "report", MARK, partial(_fill, report))]


def _fill(report: Report, folder: Path) -> list[str]:
    """Write all pages and files; returns the pages' names."""
    copy_files(HERE / "static", folder)
    shown = [
        (section, values)
        for section in sections()
        if (values := _attempt(section, section.build, report)) is not None
    ]
    links = [{"href": f"{section.name}.html", "title": section.title} for section, _ in shown]
    environment = pages()
    for section, values in shown:
        common = {"section": section, "current": section.title, "links": links, "report": report}
        page = render(
            environment if section.templates is None else pages(section.templates),
            f"{section.name}.html",
            {**values, **common},
        )
        (folder / f"{section.name}.html").write_bytes(page)
        if section is shown[0][0] and INDEX not in (link["href"] for link in links):
            (folder / INDEX).write_bytes(page)
        _attempt(section, section.write, report, folder)
    return [link["href"] for link in links]


def _attempt(section: Section, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call it; what a damaged or hostile record makes it stumble over is said in one line."""
    try:
        return function(*arguments)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise CoTGapError(
            f"page {section.title!r} cannot be made: a record holds what no run writes "
            f"({type(error).__name__}: {error})"
        ) from error


def _run_folder(path: Path) -> Path:
    if (path / RUN).exists():
        return path
    others = [section.accepts for section in sections() if section.accepts]
    also = f", nor {', nor '.join(others)}" if others else ""
    raise CoTGapError(f"{path} is not a run folder: it has no {RUN}{also}")

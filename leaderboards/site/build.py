"""Build the site: every entry's pages, every board, and what explains them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cotgap.benchmark.report import render as report_pages
from cotgap.benchmark.report.folder import copy_files, write_folder
from cotgap.benchmark.report.render import pages, render
from cotgap.envs.core import CoTGapError
from cotgap.leaderboards.boards.core import boards
from cotgap.leaderboards.entries import FILE
from cotgap.leaderboards.rules import breaches
from cotgap.leaderboards.schema import SLUG, Entry
from cotgap.leaderboards.settings import LeftOut, Played, played
from cotgap.leaderboards.site import board_page, definitions, entry_page
from cotgap.leaderboards.site.entry_page import EntryPages, company
from cotgap.leaderboards.site.words import TIERS, tasks, view_name
from cotgap.leaderboards.tables import Filled, Table, fill

HERE = Path(__file__).parent
SHARED = ("report.css", "viewer.css", "viewer.js")
MARK = "static/board.js"
"""A file by which a folder is known to hold a site, which may then be replaced."""
GLANCE, NAMED = 6, 4  # tables of a board on the first page, and entries named in each
# What a record that no run writes makes the metrics and pages stumble over.
STUMBLES = (AttributeError, LookupError, TypeError, ValueError, ArithmeticError, CoTGapError)


@dataclass(frozen=True)
class Built:
    """The pages that were written, the first one first, and who is not in them and why."""

    pages: tuple[Path, ...]
    left: tuple[LeftOut, ...]


def write(entries: Sequence[Entry], out: Path, files: Path | None = None) -> Built:
    """Write the site's folder as a whole; the same entries give the same bytes.

    `files` is the folder of the submission files (`SLUG.jsonl.xz`), which are then offered for
    download. A folder that holds an earlier site is replaced, any other that is not empty is
    refused. An entry that cannot be shown is left out, and the site says so.
    """
    names, left = write_folder(out, "site", MARK, partial(_fill, entries, files))
    return Built(tuple(out / name for name in names), tuple(left))


def _fill(
    entries: Sequence[Entry], files: Path | None, folder: Path
) -> tuple[list[str], list[LeftOut]]:
    copy_files(HERE / "static", folder / "static")
    for name in SHARED:
        shutil.copyfile(report_pages.HERE / "static" / name, folder / "static" / name)
    shown: list[EntryPages] = []
    everything: list[Played] = []
    left: list[LeftOut] = []
    for entry in sorted(entries, key=lambda entry: entry.slug):
        try:
            taken, missing = _admit(entry, folder, files, shown)
        except STUMBLES as error:
            left.append(LeftOut(entry.slug, "", f"{type(error).__name__}: {error}"))
            continue
        everything += taken
        left += missing
    filled = [fill(board, everything) for board in boards().values()]
    return _pages(folder, shown, filled, left), left


def _admit(
    entry: Entry, folder: Path, files: Path | None, shown: list[EntryPages]
) -> tuple[list[Played], list[LeftOut]]:
    """Write an entry's episodes; whatever is wrong with it leaves no trace."""
    if not re.fullmatch(SLUG, entry.slug) or entry.slug in {one.entry.slug for one in shown}:
        raise CoTGapError("a slug is of a-z, 0-9 and hyphens, and no two entries share one")
    if broken := next(breaches(entry.submission), ""):
        raise CoTGapError(broken)
    own = folder / "entries" / entry.slug
    file = None if files is None else files / f"{entry.slug}{FILE}"
    try:
        taken, left = played(entry)
        shown.append(entry_page.prepare(entry, own, file, left))
    except BaseException:
        shutil.rmtree(own, ignore_errors=True)
        raise
    return taken, left


def _pages(
    folder: Path,
    shown: Sequence[EntryPages],
    filled: Sequence[Filled],
    left: Sequence[LeftOut],
) -> list[str]:
    """Write all pages; returns their names."""
    environment = pages(HERE / "templates")
    entries = [one.entry for one in shown]
    glance = [_glance(board) for board in filled]
    top: dict[str, tuple[str, str, Mapping[str, Any]]] = {
        "index.html": (
            "Boards",
            "boards.html",
            {
                "glance": glance,
                "entries": [_listed(one, company(one.entry, entries)) for one in shown],
                "tiers": list(TIERS.items()),
                "left": left,
            },
        )
    }
    for board in filled:
        name = f"{board.board.name}.html"
        top[name] = (board.board.title, "board.html", board_page.values(board))
    top["definitions.html"] = ("Definitions", "definitions.html", definitions.values())
    top["submit.html"] = ("How to submit", "submit.html", {"rules": definitions.rules_of_entry()})
    links = [{"href": name, "title": title} for name, (title, _, _) in top.items()]
    for name, (title, template, values) in top.items():
        shared = {"assets": "static/", "links": links, "current": title}
        (folder / name).write_bytes(render(environment, template, {**values, **shared}))
    names = list(top)
    above = [{**link, "href": f"../../{link['href']}"} for link in links]
    for one in shown:
        slug = one.entry.slug
        common: dict[str, Any] = {
            "links": above,
            "current": "",
            "standings": entry_page.standings(slug, filled),
            **company(one.entry, entries),
        }
        made = entry_page.write(one, folder / "entries" / slug, environment, common)
        names += [f"entries/{slug}/{name}" for name in made]
    return names


def _listed(one: EntryPages, counts: Mapping[str, int]) -> dict[str, Any]:
    """An entry on the first page."""
    submission = one.entry.submission
    played_panels = {plan.name for run in submission.runs for plan in run.config.panels}
    return {
        **board_page.linked(one.entry),
        **counts,
        "panels": len(played_panels),
        "episodes": sum(len(run.episodes) for run in submission.runs),
        "date": one.entry.receipt.date if one.entry.receipt else "",
    }


def _glance(filled: Filled) -> dict[str, Any]:
    """A board on the first page: in its tables with the most entries, who may be the best."""
    first = sorted(filled.tables, key=lambda table: -len(table.rows))[:GLANCE]
    return {
        "name": filled.board.name,
        "title": filled.board.title,
        "doc": filled.board.doc.partition(": ")[0].partition(". ")[0].rstrip(".") + ".",
        "entries": filled.entries,
        "tables": len(filled.tables),
        "more": len(filled.tables) - len(first),
        "first": [
            {
                "panel": table.setting.panel,
                "view": view_name(table.part),
                "tasks": tasks(table.setting),
                "href": f"{filled.board.name}.html#{board_page.anchor(table)}",
                "of": len(table.rows),
                "best": [board_page.linked(entry) for entry in best[:NAMED]],
                "others": len(best[NAMED:]),
            }
            for table in first
            for best in [_best(table)]
        ],
    }


def _best(table: Table) -> list[Entry]:
    """The entries that the data do not exclude from the first place, in the table's order."""
    name = table.measures[0].name
    return [row.entry for row in table.rows if name in row.ranks and row.ranks[name].best == 1]

"""An entry's pages: who and how, what was checked, every number, and every episode."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment

from cotgap.benchmark.domain import trained_on
from cotgap.benchmark.report.render import render
from cotgap.benchmark.report.sections import episodes, index, panels
from cotgap.benchmark.report.source import Report, labelled, make_run, with_episodes
from cotgap.benchmark.report.text import clip, shorten
from cotgap.leaderboards.entries import FILE
from cotgap.leaderboards.schema import Entry, SubmittedRun, is_web_address
from cotgap.leaderboards.settings import LeftOut
from cotgap.leaderboards.site.board_page import anchor
from cotgap.leaderboards.site.words import TIERS, tasks, view_name
from cotgap.leaderboards.tables import Filled

ASSETS = "../../static/"
LONG = 1_000  # characters of a description
CARD = 4_000  # characters of the rest of a card, as JSON


@dataclass(frozen=True)
class EntryPages:
    """An entry whose episodes are written; its pages wait for where it stands on the boards."""

    entry: Entry
    values: Mapping[str, Any]
    download: bool
    size: int


def prepare(entry: Entry, folder: Path, file: Path | None, left: Sequence[LeftOut]) -> EntryPages:
    """Write the entry's episodes (and its file) into an empty folder, and gather what it says.

    Raises whatever a record that no run writes makes the metrics raise.
    """
    report = Report(labelled(list(map(_run, entry.submission.runs))))
    folder.mkdir(parents=True)
    episodes.SECTION.write(report, folder)
    if file is not None and not file.is_file():
        file = None
    if file is not None:
        (folder / f"{entry.slug}{FILE}").write_bytes(file.read_bytes())
    found = {
        **_who(entry),
        **(index.SECTION.build(report) or {}),
        "runs": [_facts(run) for run in entry.submission.runs],
        "statuses": [dict(run.statuses) for run in report.runs],
        "left": list(left),
        "card": _card(entry.submission.entrant.card),
        "panels_page": panels.SECTION.build(report),
        "episodes_page": episodes.SECTION.build(report),
    }
    size = 0 if file is None else file.stat().st_size
    return EntryPages(entry, found, file is not None, size)


def write(
    pages: EntryPages, folder: Path, environment: Environment, common: Mapping[str, Any]
) -> list[str]:
    """Write the pages; returns their names."""
    shared = {**common, **pages.values, "assets": ASSETS, "slug": pages.entry.slug}
    found = {
        "index.html": render(
            environment,
            "entry.html",
            {**shared, "tab": "Entry", "download": pages.download, "size": pages.size},
        ),
        "panels.html": render(
            environment,
            "panels.html",
            {**shared, **pages.values["panels_page"], "tab": "Panels"},
        ),
    }
    if pages.values["episodes_page"] is not None:
        found["episodes.html"] = render(
            environment,
            "episodes.html",
            {**shared, **pages.values["episodes_page"], "tab": "Episodes"},
        )
    for name, page in found.items():
        (folder / name).write_bytes(page)
    return list(found)


def company(entry: Entry, entries: Iterable[Entry]) -> dict[str, int]:
    """How many entries there are of this agent, and of this owner."""
    every = list(entries)
    return {
        "of_agent": sum(_fingerprint(other) == _fingerprint(entry) for other in every),
        "of_owner": sum(
            other.submission.entrant.owner.casefold() == entry.submission.entrant.owner.casefold()
            for other in every
        ),
    }


def standings(slug: str, boards: Iterable[Filled]) -> list[dict[str, Any]]:
    """Where an entry stands: the boards that it is on, with its place in each of their tables."""
    found = []
    for filled in boards:
        page = f"../../{filled.board.name}.html"
        places = [
            {
                "href": f"{page}#{anchor(table)}",
                "panel": table.setting.panel,
                "view": view_name(table.part),
                "tasks": tasks(table.setting),
                "rank": str(row.ranks.get(table.measures[0].name, "–")),
                "of": sum(table.measures[0].name in other.ranks for other in table.rows),
            }
            for table in (*filled.tables, *filled.apart)
            for row in table.rows
            if row.entry.slug == slug
        ]
        if places:
            found.append({"title": filled.board.title, "href": page, "places": places})
    return found


def _fingerprint(entry: Entry) -> str:
    return str(entry.submission.runs[0].config.agent.get("fingerprint"))


def _run(run: SubmittedRun) -> Any:
    return with_episodes(make_run(run.digest[:12], run.digest, run.config), run.episodes)


def _who(entry: Entry) -> dict[str, Any]:
    entrant, receipt = entry.submission.entrant, entry.receipt
    return {
        "name": str(entrant.name),
        "organisation": str(entrant.organisation),
        "owner": str(entrant.owner),
        "url": entrant.url if is_web_address(str(entrant.url)) else "",
        "description": clip(str(entrant.description), LONG),
        "tier": entry.tier,
        "tier_words": TIERS[entry.tier],
        "receipt": receipt,
        "receipt_versions": _pairs(receipt.versions) if receipt else [],
    }


def _facts(run: SubmittedRun) -> dict[str, Any]:
    """A run's configuration and circumstances, as (name, text) pairs."""
    config = run.config
    agent = {name: value for name, value in config.agent.items() if name != "name"}
    return {
        "digest": run.digest,
        "agent_name": str(config.agent["name"]),
        "settings": _pairs(
            {
                "protocol": config.protocol,
                "modes": ", ".join(config.modes),
                "shadow": config.shadow,
                "repeats": config.repeats,
                **config.sampling.to_json(),
                **config.limits.to_json(),
                "seed": config.seed,
            }
        ),
        "agent": _pairs(agent),
        "hardware": _pairs(run.hardware),
        "versions": [_pairs(version) for version in run.versions],
        "panels": [
            {"name": p.name, "lock": p.lock, "played": f"{len(p.tasks)} of {p.size}"}
            for p in run.config.panels
        ],
    }


def _pairs(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names with values in short texts, those of a mapping one by one."""
    found = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            found += [(f"{name}.{inner}", text) for inner, text in _pairs(value)]
        elif value is not None and value != "":
            found.append((str(name), clip(str(value), 200)))
    return found


def _card(card: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What the agent was trained on, panel by panel, and the rest of its card as JSON."""
    if not card:
        return None
    rest = {name: value for name, value in card.items() if name != "trained_on"}
    return {
        "trained": [
            {
                "panel": str(facts["panel"]),
                "kinds": [clip(str(kind), 60) for kind in facts["kinds"]],
                "wording": str(facts["wording"]),
            }
            for facts in trained_on(card)
        ],
        "rest": shorten(json.dumps(rest, indent=2, ensure_ascii=False), CARD) if rest else "",
    }

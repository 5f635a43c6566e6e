"""The trajectory viewer: any episode, step by step; data are loaded episode by episode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cotgap.benchmark.records.episode import Episode, Status
from cotgap.benchmark.report.sections.core import Section
from cotgap.benchmark.report.source import Report
from cotgap.benchmark.report.text import clip
from cotgap.benchmark.report.trajectories import payload, row, script

INDEX = "episodes-index.js"
FOLDER = "episodes"


def build(report: Report) -> Mapping[str, Any] | None:
    """What the filters offer; None where no episode has been played."""
    episodes = [episode for run in report.runs for episode in run.episodes]
    if not episodes:
        return None
    statuses = {episode.status for episode in episodes}
    return {
        "total": len(episodes),
        "index": INDEX,
        "runs": list(enumerate(run.label for run in report.runs)),
        "panels": sorted({clip(episode.task_key.panel) for episode in episodes}),
        "kinds": sorted({clip(episode.task_kind) for episode in episodes if episode.task_kind}),
        "modes": sorted({clip(episode.mode) for episode in episodes}),
        "statuses": [status.value for status in Status if status in statuses],
    }


def numbered(report: Report) -> Iterator[tuple[int, Episode]]:
    """(its run's place, episode), in the order of the numbers that the viewer knows them by."""
    for place, run in enumerate(report.runs):
        for episode in run.episodes:
            yield place, episode


def write(report: Report, folder: Path) -> None:
    """The index, and a numbered file for each episode (no name on disk comes from a record)."""
    (folder / FOLDER).mkdir()
    rows: list[dict[str, Any]] = []
    for place, episode in numbered(report):
        path = folder / FOLDER / f"{len(rows)}.js"
        path.write_text(script("episode", len(rows), payload(episode)), encoding="ascii")
        rows.append(row(episode, place))
    runs = [{"label": clip(run.label), "complete": run.complete} for run in report.runs]
    (folder / INDEX).write_text(script("index", runs, rows), encoding="ascii")


SECTION = Section(name="episodes", title="Episodes", order=60, build=build, write=write)

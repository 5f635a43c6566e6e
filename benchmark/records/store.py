"""A run on disk: a folder with `run.json`, `episodes.jsonl` and `summary.json`.

Episodes are appended whole, one a line, and flushed to the disk, so that a kill at any moment
costs at most the episodes in flight. `summary.json` is derived and can always be rebuilt.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Any

from cotgap import __version__
from cotgap.benchmark.records.config import RunConfig, differences
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.records.folder import (
    Folder,
    Layout,
    many_objects,
    more,
    more_names,
    more_panels,
    read_head,
    read_log,
)
from cotgap.benchmark.records.sessions import Begun, Session
from cotgap.envs.core import CoTGapError
from cotgap.envs.files import write_json

RUN, EPISODES, SUMMARY = "run.json", "episodes.jsonl", "summary.json"
PLAYING = "playing"  # the field of `run.json` that names a session until it has ended
LAYOUT = Layout("run", RUN, EPISODES, {"panels": more_panels, "repeats": more, "modes": more_names})
VERSIONED = ("torch", "transformers", "gymnasium", "numpy")


class RunStore:
    """The one writer of a run's folder; use it as a context manager.

    Opening creates the folder, or continues one whose run is the same or a part of this one: later
    tasks, more panels, repeats and modes may be added (see `Folder` for what is refused). Versions
    and `circumstances` (batch size, threads) may change on the way, though a model's rounding
    depends on them: each change is said, and kept in `run.json`.
    """

    def __init__(self, folder: Path, config: RunConfig, circumstances: Mapping[str, str]) -> None:
        self._now = {**versions(), **circumstances}
        self._folder = Folder(folder, LAYOUT, config.to_json(), {"versions": [self._now]})
        self.folder, self.config = folder, config

    @property
    def notices(self) -> list[str]:
        """What opening found that its user should know."""
        return self._folder.notices

    def __enter__(self) -> RunStore:
        with ExitStack() as opening:
            folder = opening.enter_context(self._folder)
            content = read_run(self.folder)
            if other := differences(content["versions"][-1], self._now):
                self.notices.append(f"resuming under other circumstances: {', '.join(other)}")
                folder.note(versions=[*content["versions"], self._now])
            if content.get(PLAYING) is not None:
                sessions = read_sessions(self.folder)
                if killed := [session for session in sessions if session.killed]:
                    self.notices.append(
                        f"the last session was killed; the {killed[-1].episodes} episodes that it "
                        "played account for it"
                    )
                self._note_sessions(sessions)
            opening.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._folder.__exit__(*error)

    def append(self, episode: Episode) -> None:
        """Write one finished episode and see it onto the disk."""
        self._folder.append(episode.to_json())

    def episodes(self) -> list[Episode]:
        """What has been written so far; see `read_episodes`."""
        return read_episodes(self.folder)

    def stream(self) -> Iterator[Episode]:
        """Every record that has been written so far, in that order."""
        return iter_episodes(self.folder)

    def begin_session(self, engine: str, workers: int) -> None:
        """Note in `run.json` that playing begins."""
        self._folder.note(**{PLAYING: Begun(engine, workers, time.time()).to_json()})

    def end_session(self, session: Session | None) -> None:
        """Note what was played, if anything was, and what it took."""
        before = [Session.from_json(data) for data in self._folder.head.get("sessions", [])]
        self._note_sessions(before if session is None else [*before, session])

    def _note_sessions(self, sessions: Sequence[Session]) -> None:
        self._folder.note(sessions=[one.to_json() for one in sessions], **{PLAYING: None})

    def write_summary(self, summary: Any) -> None:
        """Replace `summary.json`."""
        write_json(self.folder / SUMMARY, summary)


def read_run(folder: Path) -> dict[str, Any]:
    """The content of `run.json`; raises `CoTGapError` where there is none or it is malformed."""
    head = read_head(folder, LAYOUT)
    if not isinstance(head.get("versions"), list):
        raise CoTGapError(
            f"{folder / RUN} is malformed (it lists no versions). Give another --out, or delete "
            "that folder."
        )
    return head


def read_sessions(folder: Path) -> list[Session]:
    """What a run took so far; raises `CoTGapError` where the folder is no run.

    A session that goes on, or was killed, comes last: it played what no other accounts for.
    """
    head = read_run(folder)
    sessions = [Session.from_json(data) for data in head.get("sessions", [])]
    if head.get(PLAYING) is not None:
        accounted = sum(session.episodes for session in sessions)
        if played := list(islice(iter_episodes(folder), accounted, None)):
            written = (folder / EPISODES).stat().st_mtime
            sessions.append(Begun.from_json(head[PLAYING]).account(played, written))
    return sessions


def read_episodes(folder: Path) -> list[Episode]:
    """All episodes of a run; an unfinished last line is left out.

    Of several records of an episode it is the one that no later one `replaces`.

    Raises `CoTGapError`, naming the line, where any other line is malformed.
    """
    found: dict[tuple[str, str, int], Episode] = {}
    with many_objects():
        for episode in iter_episodes(folder):
            if episode.id not in found or replaces(episode, found[episode.id]):
                found[episode.id] = episode
    return list(found.values())


def replaces(later: Episode, earlier: Episode) -> bool:
    """Whether a record stands in place of an earlier one of the same episode.

    One without a score is always replaced. One with a score never is, but by a record that holds
    the actions of more modes at every state, which is written when a run grows by a mode.
    """
    return not earlier.status.scored or _shadows(earlier) < _shadows(later)


def _shadows(episode: Episode) -> set[str]:
    """The modes whose actions stand beside the driver's at every state of a scored episode."""
    shown = [step.shadows.keys() for step in episode.steps]
    return set(shown[0]).intersection(*shown[1:]) if shown and episode.status.scored else set()


def iter_episodes(folder: Path) -> Iterator[Episode]:
    """Every record in the order of writing; see `read_episodes`."""
    return read_log(folder / EPISODES, Episode.parse, "have the episode played again")


def versions() -> dict[str, str]:
    """Versions of what a record depends on, beside the configuration."""
    found = {"python": platform.python_version(), "cotgap": __version__}
    for name in VERSIONED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found

"""A run on disk: a folder with `run.json`, `episodes.jsonl` and `summary.json`.

Episodes are appended whole, one a line, and flushed to the disk, so that a kill at any moment
costs at most the episodes in flight (and leaves at most one torn last line, which is cut on the
next opening). `summary.json` is derived and can always be rebuilt.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from cotgap import __version__
from cotgap.benchmark.records.config import RunConfig, differences
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.records.files import acquire, append_line, cut_torn_line, write_json
from cotgap.benchmark.records.sessions import Session
from cotgap.envs.core import CoTGapError

RUN, EPISODES, SUMMARY, LOCK = "run.json", "episodes.jsonl", "summary.json", ".lock"
VERSIONED = ("torch", "transformers", "gymnasium", "numpy")


class RunStore:
    """The one writer of a run's folder; use it as a context manager.

    Opening creates the folder, or continues one of the same digest. Raises `CoTGapError` where
    the folder holds another configuration (naming the fields that differ), is not a run, or is
    being written by another process. Versions and `circumstances` (batch size, threads) may change
    on the way, though a model's rounding depends on them: each change is said, and kept in
    `run.json`.
    """

    def __init__(self, folder: Path, config: RunConfig, circumstances: Mapping[str, str]) -> None:
        self.folder = folder
        self.config = config
        self._circumstances = {**versions(), **circumstances}
        self.notices: list[str] = []
        """What opening found that its user should know."""

    def __enter__(self) -> RunStore:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CoTGapError(f"--out {self.folder}: cannot make that folder ({error})") from error
        self._refuse_other_content()
        self._lock = acquire(self.folder / LOCK)
        try:
            self._check()
            if torn := cut_torn_line(self.folder / EPISODES):
                self.notices.append(f"cut an unfinished last record ({torn} bytes, left by a kill)")
            self._file: IO[str] = (self.folder / EPISODES).open("a", encoding="utf-8")
        except OSError as error:
            self._lock.close()
            raise CoTGapError(f"cannot write in {self.folder}: {error}") from error
        except BaseException:
            self._lock.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        self._lock.close()

    def append(self, episode: Episode) -> None:
        """Write one finished episode and see it onto the disk."""
        try:
            append_line(self._file, episode.to_json())
        except OSError as error:
            raise CoTGapError(
                f"cannot write {self.folder / EPISODES}: {error}. Episodes written so far are "
                "safe: make room and run the same command again"
            ) from error

    def episodes(self) -> list[Episode]:
        """What has been written so far; see `read_episodes`."""
        return read_episodes(self.folder)

    def add_session(self, session: Session) -> None:
        """Note in `run.json` what was played and what it took."""
        content = read_run(self.folder)
        content["sessions"] = [*content.get("sessions", []), session.to_json()]
        write_json(self.folder / RUN, content)

    def write_summary(self, summary: Any) -> None:
        """Replace `summary.json`."""
        write_json(self.folder / SUMMARY, summary)

    def _refuse_other_content(self) -> None:
        names = {entry.name for entry in self.folder.iterdir()}
        if RUN not in names and names - {LOCK, f"{RUN}.tmp"}:
            raise CoTGapError(
                f"{self.folder} is not empty and not a run (no {RUN}). Give another --out."
            )

    def _check(self) -> None:
        path, now = self.folder / RUN, self._circumstances
        if path.exists():
            content = read_run(self.folder)
            changed = differences(content["config"], self.config.to_json())
            if changed:
                raise CoTGapError(
                    f"{self.folder} holds a run of another configuration:\n  "
                    + "\n  ".join(changed)
                    + "\nGive another --out, or the old settings to resume that run."
                )
            if other := differences(content["versions"][-1], now):
                self.notices.append(f"resuming under other circumstances: {', '.join(other)}")
                content["versions"].append(now)
                write_json(path, content)
        else:
            content = {"digest": self.config.digest, "config": self.config.to_json()}
            write_json(path, {**content, "versions": [now]})


def read_run(folder: Path) -> dict[str, Any]:
    """The content of `run.json`; raises `CoTGapError` where there is none or it is malformed."""
    try:
        content = json.loads((folder / RUN).read_text(encoding="utf-8"))
        if not isinstance(content["config"], dict) or not isinstance(content["versions"], list):
            raise TypeError("config or versions are not what a run writes")
    except FileNotFoundError:
        raise CoTGapError(f"{folder} is not a run folder: it has no {RUN}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CoTGapError(
            f"{folder / RUN} is malformed ({error}). Give another --out, or delete that folder."
        ) from error
    return dict(content)


def read_sessions(folder: Path) -> list[Session]:
    """What a run took so far; raises `CoTGapError` where the folder is no run."""
    return [Session.from_json(data) for data in read_run(folder).get("sessions", [])]


def read_episodes(folder: Path) -> list[Episode]:
    """All episodes of a run; an unfinished last line is left out.

    Of several records of an episode it is the first one with a score, which nothing written later
    replaces, and the latest where none has.

    Raises `CoTGapError`, naming the line, where any other line is malformed.
    """
    found: dict[tuple[str, str, int], Episode] = {}
    for episode in iter_episodes(folder):
        if episode.id not in found or not found[episode.id].status.scored:
            found[episode.id] = episode
    return list(found.values())


def iter_episodes(folder: Path) -> Iterator[Episode]:
    """Every record in the order of writing; see `read_episodes`."""
    path = folder / EPISODES
    if not path.exists():
        return
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                return  # torn by a kill
            try:
                yield Episode.parse(line)
            except CoTGapError as error:
                raise CoTGapError(
                    f"{path} line {number} is damaged ({error}). "
                    "Delete that line to have the episode played again."
                ) from error


def versions() -> dict[str, str]:
    """Versions of what a record depends on, beside the configuration."""
    found = {"python": platform.python_version(), "cotgap": __version__}
    for name in VERSIONED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found

"""A folder that can be stopped at any moment, taken up again, and grown.

It holds a configuration (`run.json`) and, where something is collected, one record a line
(`episodes.jsonl`). One process writes it at a time. A kill leaves the configuration whole, and at
most one torn last line, which is cut when the folder is opened next.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from cotgap.benchmark.records.config import differences, digest_of
from cotgap.benchmark.records.files import Log, acquire, cut_torn_line
from cotgap.envs.core import CoTGapError
from cotgap.envs.files import write_json

LOCK = ".lock"
T = TypeVar("T")
Widen = Callable[[Any, Any], Any]
"""(a field's old value, its new one) → the old one with all that the new one only adds to it."""


@dataclass(frozen=True)
class Layout:
    """What such a folder is called, its files, and the fields of its configuration that may grow.

    `log` is the file of records, None where there is none.
    """

    what: str
    head: str
    log: str | None = None
    grows: Mapping[str, Widen] = field(default_factory=dict)


class Folder:
    """The one writer of such a folder; a context manager.

    Opening makes the folder, or takes up one whose configuration is the same or smaller. Raises
    `CoTGapError` where it holds another configuration (naming the fields that differ) or something
    else, or where another process writes it. `fresh` is what a new folder's head says besides.
    """

    def __init__(
        self,
        path: Path,
        layout: Layout,
        config: Mapping[str, Any],
        fresh: Mapping[str, Any] | None = None,
    ) -> None:
        self.path, self._layout, self._config = path, layout, dict(config)
        self.head: dict[str, Any] = dict(fresh or {})
        """The content of the file of the configuration."""
        self.notices: list[str] = []
        """What opening found that its user should know."""
        self._log: Log | None = None

    def __enter__(self) -> Folder:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._refuse_other_content()
            self._lock = acquire(self.path / LOCK)
        except OSError as error:
            raise CoTGapError(f"--out {self.path}: cannot write there ({error})") from error
        try:
            self._claim()
            if self._layout.log is not None:
                log = self.path / self._layout.log
                if torn := cut_torn_line(log):
                    self.notices.append(
                        f"cut an unfinished last record ({torn} bytes, left by a kill)"
                    )
                self._log = Log(log)
        except OSError as error:
            self._lock.close()
            raise CoTGapError(f"cannot write in {self.path}: {error}") from error
        except BaseException:
            self._lock.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._log is not None:
            self._log.close()
        self._lock.close()

    def append(self, record: Any) -> None:
        """Write one record and see it onto the disk."""
        assert self._log is not None
        self._log.append(record)

    def note(self, **fields: Any) -> None:
        """Put fields into the head."""
        head = self.head | fields
        write_json(self.path / self._layout.head, head)
        self.head = head

    def _refuse_other_content(self) -> None:
        head = self._layout.head
        names = {entry.name for entry in self.path.iterdir()}
        if head not in names and names - {LOCK, f"{head}.tmp"}:
            raise CoTGapError(
                f"{self.path} is not empty and not a {self._layout.what} (no {head}). "
                "Give another --out."
            )

    def _claim(self) -> None:
        """Write the configuration, or take up what is there if it is a part of it."""
        layout = self._layout
        if not (self.path / layout.head).exists():
            self.head = {"digest": digest_of(self._config), "config": self._config, **self.head}
            self.note()
            return
        self.head = read_head(self.path, layout)
        before = self.head["config"]
        if changed := differences(widened(before, self._config, layout.grows), self._config):
            raise CoTGapError(
                f"{self.path} holds a {layout.what} of another configuration:\n  "
                + "\n  ".join(changed)
                + "\nGive another --out, or the old settings to resume it (what may be added to: "
                + f"{', '.join(layout.grows) or 'nothing'})."
            )
        if added := differences(before, self._config):
            self.notices.append(f"grown: {'; '.join(added)}")
            self.note(digest=digest_of(self._config), config=self._config)


def read_head(path: Path, layout: Layout) -> dict[str, Any]:
    """What a folder's head says; raises `CoTGapError` where there is none or it is malformed."""
    file = path / layout.head
    try:
        head = dict(json.loads(file.read_text(encoding="utf-8")))
        if not isinstance(head["config"], dict):
            raise TypeError("its config is no object")
    except FileNotFoundError:
        raise CoTGapError(
            f"{path} is not a {layout.what} folder: it has no {layout.head}"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CoTGapError(
            f"{file} is malformed ({error}). Give another --out, or delete that folder."
        ) from error
    return head


def read_log(path: Path, parse: Callable[[bytes], T], again: str) -> Iterator[T]:
    """Every line of a log, parsed, in the order of writing; an unfinished last one is left out.

    Raises `CoTGapError`, naming the line, where any other one is damaged; `again` says what
    deleting it is good for.
    """
    if not path.exists():
        return
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                return  # torn by a kill
            try:
                yield parse(line)
            except (ValueError, CoTGapError) as error:
                raise CoTGapError(
                    f"{path} line {number} is damaged ({error}). Delete that line to {again}."
                ) from error


@contextmanager
def many_objects() -> Iterator[None]:
    """While it lasts, Python does not look for garbage among the objects that a reader keeps.

    That takes a third of the time of reading 10,000 episodes, and there is none.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def ended(end: Callable[[], T]) -> tuple[T, bool]:
    """What `end` returns, and whether it was to be stopped meanwhile; then it is called again."""
    try:
        return end(), False
    except KeyboardInterrupt:
        return end(), True


def widened(
    old: Mapping[str, Any], new: Mapping[str, Any], grows: Mapping[str, Widen]
) -> dict[str, Any]:
    """The old configuration with all that the new one only adds to it."""
    return {
        name: grows[name](value, new[name]) if name in grows and name in new else value
        for name, value in old.items()
    }


def more(old: int, new: int) -> int:
    """A number that may grow."""
    return max(old, new)


def more_names(old: Sequence[str], new: Sequence[str]) -> Sequence[str]:
    """Names between which others may be added."""
    return new if [name for name in new if name in old] == list(old) else old


def more_panels(
    old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]
) -> Sequence[Mapping[str, Any]]:
    """Panels to which others may be added, and each of which may go on with later tasks."""
    known = {plan["name"]: plan for plan in old}
    wider = []
    for plan in new:
        before = known.pop(plan["name"], plan)
        tasks = list(before["tasks"])
        goes_on = list(plan["tasks"][: len(tasks)]) == tasks
        wider.append({**before, "tasks": plan["tasks"] if goes_on else before["tasks"]})
    return [*wider, *known.values()]

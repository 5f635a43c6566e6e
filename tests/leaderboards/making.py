"""Runs, submission files of them, and files that were tampered with."""

from __future__ import annotations

import copy
import json
import lzma
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from cotgap.benchmark.commands.run import execute
from cotgap.benchmark.options import RunOptions
from cotgap.benchmark.records.config import digest_of
from cotgap.cli import make
from cotgap.leaderboards.archive import compressed
from cotgap.leaderboards.pack import load_runs, write_submission
from cotgap.leaderboards.schema import Entrant, Submission

HARDWARE = {"of": "a test"}
LINE = dict[str, Any]


def play(out: Path, agent: str, panels: Sequence[str], episodes: int, **options: Any) -> Path:
    """A real run's folder."""
    given = {"agent": agent, "panel": list(panels), "episodes": episodes, "out": out, **options}
    execute(make(RunOptions, quiet=True, **given))
    return out


def submit(path: Path, *folders: Path, entrant: Entrant | None = None) -> Path:
    """The submission file of these runs."""
    runs = load_runs(folders, HARDWARE)
    write_submission(path, Submission(entrant or Entrant("Tester", owner="tester"), runs))
    return path


@dataclass
class Content:
    """A submission file's content as plain JSON, to be changed."""

    header: dict[str, Any]
    lines: list[LINE]

    @classmethod
    def of(cls, path: Path) -> Content:
        header, *lines = map(json.loads, text_of(path).split(b"\n")[:-1])
        return cls(header, lines)

    @property
    def config(self) -> dict[str, Any]:
        config: dict[str, Any] = self.header["runs"][0]["config"]
        return config

    def redigest(self) -> None:
        """What a careful forger does last."""
        for run in self.header["runs"]:
            run["digest"] = digest_of(run["config"])

    def episode(self, panel: str, mode: str, n: int = 0) -> dict[str, Any]:
        """The n-th episode of a panel and mode."""
        found = [
            line["episode"]
            for line in self.lines
            if line["episode"]["task_key"].startswith(f"{panel}/")
            and line["episode"]["mode"] == mode
        ]
        return found[n]

    def write(self, path: Path) -> Path:
        lines = (json.dumps(line, ensure_ascii=False) + "\n" for line in (self.header, *self.lines))
        return write_text(path, *lines)


Tamper = Callable[[Content], None]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def mutate(content: Content, data: st.DataObject) -> None:
    """Replace a value anywhere by another, remove it, or put a strange one beside it."""
    parent: Any = {"header": content.header, "lines": content.lines}
    key: Any = data.draw(st.sampled_from(sorted(parent)))
    while True:
        parent = parent[key]
        keys = sorted(parent) if isinstance(parent, dict) else range(len(parent))
        key = data.draw(st.sampled_from(keys))
        deeper = isinstance(parent[key], (dict, list)) and parent[key]
        if not deeper or not data.draw(st.integers(0, 9)):
            break
    how = data.draw(st.sampled_from(["replace", "remove", "add"]))
    if how == "remove":
        del parent[key]
    elif how == "replace":
        parent[key] = data.draw(st.sampled_from(_like(parent[key])) | JSON)
    elif isinstance(parent, dict):
        parent[data.draw(st.text(max_size=5))] = data.draw(JSON)
    else:
        parent.append(copy.deepcopy(parent[key]))


def _like(value: Any) -> list[Any]:
    """Values of the same kind, which have a chance to be read."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, (int, float)):
        return [value + 1, value * 2, 0, -value]
    if isinstance(value, str):
        return ["", "x", f"{value}x", value[1:], value[::-1], "</think>", "<action></action>"]
    if isinstance(value, list):
        return [[], value * 2, value[::-1], value[:-1]]
    return [{}, None]


def write_text(path: Path, *parts: str | bytes) -> Path:
    """A file in the container of a submission, of any content."""
    path.write_bytes(compressed(p.encode() if isinstance(p, str) else p for p in parts))
    return path


def text_of(path: Path) -> bytes:
    """What a submission's container holds."""
    return lzma.decompress(path.read_bytes())

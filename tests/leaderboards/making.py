"""Runs, submission files of them, and files that were tampered with."""

from __future__ import annotations

import copy
import json
import struct
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from cotgap.benchmark.commands.run import execute
from cotgap.benchmark.options import RunOptions
from cotgap.benchmark.records.config import digest_of
from cotgap.cli import make
from cotgap.leaderboards import form
from cotgap.leaderboards.packing import load_runs, write_submission
from cotgap.leaderboards.submission import Entrant, Submission

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
    write_submission(path, Submission(entrant or Entrant("Tester"), runs))
    return path


@dataclass
class Content:
    """A submission file's content as plain JSON, to be changed."""

    manifest: dict[str, Any]
    lines: list[LINE]

    @classmethod
    def of(cls, path: Path) -> Content:
        with zipfile.ZipFile(path) as archive:
            manifest = json.loads(archive.read(form.MANIFEST))
            text = archive.read(form.EPISODES).decode()
        return cls(manifest, [json.loads(line) for line in text.splitlines()])

    @property
    def config(self) -> dict[str, Any]:
        config: dict[str, Any] = self.manifest["runs"][0]["config"]
        return config

    def redigest(self) -> None:
        """What a careful forger does last."""
        for run in self.manifest["runs"]:
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
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in self.lines)
        return write_zip(path, json.dumps(self.manifest, ensure_ascii=False), text)


Tamper = Callable[[Content], None]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def mutate(content: Content, data: st.DataObject) -> None:
    """Replace a value anywhere by another, remove it, or put a strange one beside it."""
    parent: Any = {"manifest": content.manifest, "lines": content.lines}
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


def write_zip(path: Path, manifest: str | bytes, episodes: str | bytes) -> Path:
    """A zip in the form of a submission, of any content."""
    return write_members(path, [(form.MANIFEST, manifest), (form.EPISODES, episodes)])


def write_members(
    path: Path,
    members: Sequence[tuple[str, str | bytes]],
    compression: int = zipfile.ZIP_LZMA,
    mode: int = 0o100644,
) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members:
            member = zipfile.ZipInfo(name)
            member.compress_type = compression
            member.external_attr = mode << 16
            archive.writestr(member, content)
    return path


def patched(path: Path, old: bytes, new: bytes, count: int = -1) -> Path:
    """The same file with bytes replaced, which must be there."""
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, count))
    return path


def declared(path: Path, size: int) -> Path:
    """The same file, whose directory says another decompressed size of the last member."""
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\1\2")
    struct.pack_into("<L", data, entry + 24, size)
    path.write_bytes(bytes(data))
    return path

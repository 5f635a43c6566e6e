"""The audit of each panel: its floor, its ceiling, and what the expert cannot pass.

`audits.json` beside this file is written by `cotgap audit --out` and stands beside every
result: a success rate means little without what doing nothing, acting at random and the suite's
own expert come to on the same tasks.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cotgap.envs.core import CoTGapError, Panel
from cotgap.envs.files import write_text

FILE = Path(__file__).with_name("audits.json")
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Played:
    """How one scripted agent played `n` tasks: it won `won` of them, with the mean final `score`.

    `score` is None where it only repeats the success rate; `score_low` and `score_high` bound its
    95 % interval (None: the scores give no bound).
    """

    n: int
    won: int
    score: float | None = None
    score_low: float | None = None
    score_high: float | None = None


@dataclass(frozen=True, slots=True)
class Audit:
    """A panel's floor and ceiling under one lock.

    `agents` maps `expert` (if the suite has one), `random` and `noop` to what they did; where `n`
    is less than `size`, they played the panel's first `n` tasks. `beyond_expert` are the tasks that
    the expert played and did not win.
    """

    panel: str
    lock: str
    size: int
    agents: Mapping[str, Played]
    beyond_expert: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A JSON-able mapping."""
        agents = {
            name: {key: value for key, value in asdict(played).items() if value is not None}
            for name, played in self.agents.items()
        }
        return {
            "lock": self.lock,
            "size": self.size,
            "agents": agents,
            "beyond_expert": list(self.beyond_expert),
        }

    @classmethod
    def from_json(cls, panel: str, data: Mapping[str, Any]) -> Audit:
        """The inverse of `to_json`."""
        agents = {name: Played(**played) for name, played in data["agents"].items()}
        return cls(panel, data["lock"], data["size"], agents, tuple(data["beyond_expert"]))


@functools.cache
def audits() -> Mapping[str, Audit]:
    """Panel name → its published audit."""
    return MappingProxyType(read(FILE))


def audit_of(panel: str, lock: str) -> Audit | None:
    """The published audit of a panel, if it was made under this lock."""
    audit = audits().get(panel)
    return audit if audit and audit.lock == lock else None


def stale(panels: list[Panel]) -> list[Panel]:
    """The panels without an audit under their current lock."""
    return [panel for panel in panels if audit_of(panel.name, panel.lock) is None]


def read(path: Path) -> dict[str, Audit]:
    """The audits in a file, if there is one; raises `CoTGapError` on another schema."""
    if not path.is_file():
        return {}
    data = json.loads(path.read_text(encoding="utf-8"))
    if data.get("schema") != SCHEMA:
        raise CoTGapError(f"{path}: audits of schema {data.get('schema')!r}; this reads {SCHEMA}")
    return {name: Audit.from_json(name, audit) for name, audit in data["panels"].items()}


def write(path: Path, panels: Mapping[str, Audit]) -> None:
    """Replace the file by the audits of these panels, one panel per line."""
    lines = [f"{json.dumps(name)}: {json.dumps(panels[name].to_json())}" for name in sorted(panels)]
    body = ",\n".join(lines)
    write_text(path, f'{{"schema": {SCHEMA}, "panels": {{\n{body}\n}}}}\n')

"""How often a gate has been asked about an agent, kept beside the baseline.

A candidate that is worse by the margin passes once in twenty times; who plays it again until it
passes succeeds sooner or later. That cannot be forbidden, so it is counted: each run of the same
agent that a gate judged against a baseline is an attempt, and the comparison says which one it is
and what that does to the level. The same run judged again is the same attempt, under whatever
margin.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cotgap.benchmark.compare.comparison import Comparison
from cotgap.benchmark.compare.gate import Verdict
from cotgap.benchmark.compare.sides import Side, vouched
from cotgap.benchmark.records.files import Log
from cotgap.benchmark.stats.intervals import ALPHA
from cotgap.envs.core import CoTGapError
from cotgap.envs.schema import Record

ATTEMPTS = "gates.jsonl"


@dataclass(frozen=True)
class Attempt(Record):
    """A line of the file: a verdict over a run, which `run` names by the digest of its episodes."""

    agent: str
    run: str
    margin: float
    gates: tuple[str, ...]
    verdict: str
    date: str


def counted(found: Comparison) -> Comparison:
    """The comparison, which says how many attempts there were and is kept as one of them.

    One without gates, or incomplete, is no attempt. Raises `CoTGapError` for a file of attempts
    that is damaged; where none can be written the comparison says so.
    """
    if found.verdict is None or found.verdict is Verdict.INCOMPLETE:
        return found
    path = found.a.folder / ATTEMPTS
    agent, run = identity(found.b), _digest(found.b)
    before = read_attempts(path)
    runs = list(dict.fromkeys([a.run for a in before if a.agent == agent] + [run]))
    notices = [_words(runs.index(run) + 1, len(runs))] if len(runs) > 1 else []
    attempt = Attempt(
        agent=agent,
        run=run,
        margin=found.gates[0].margin,
        gates=tuple(f"{gate.panel} {gate.name}" for gate in found.gates),
        verdict=found.verdict.value,
        date=datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
    )
    if attempt not in before:
        try:
            with closing(Log(path)) as log:
                log.append(attempt.to_json())
        except (OSError, CoTGapError) as error:
            notices.append(f"attempts are not counted: {path} cannot be written ({error})")
    return replace(found, attempts=len(runs), notices=(*found.notices, *notices))


def read_attempts(path: Path) -> list[Attempt]:
    """The attempts so far; raises `CoTGapError` naming a line that is none."""
    if not path.exists():
        return []
    found = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            found.append(Attempt.parse(line))
        except CoTGapError as error:
            raise CoTGapError(f"{path} line {number} is damaged ({error})") from error
    return found


def identity(side: Side) -> str:
    """What stays the same where the same agent plays again."""
    agent: dict[str, Any] = dict(side.config.agent)
    name = "fingerprint" if vouched(agent) else "name"
    return f"{name} {agent.get(name)}"


def level(attempts: int) -> float:
    """The probability that one of so many runs of an agent passes that is worse by the margin."""
    return 1 - (1 - ALPHA) ** attempts


def _words(place: int, attempts: int) -> str:
    which = f"attempt {place} of {attempts}" if place < attempts else f"attempt {attempts}"
    return (
        f"{which} of this agent against this baseline: one that is worse by the margin passes in "
        f"one of {attempts} attempts with up to {100 * level(attempts):.0f} %, not "
        f"{100 * ALPHA:.0f} %"
    )


def _digest(side: Side) -> str:
    lines = sorted(json.dumps(episode.to_json(), sort_keys=True) for episode in side.episodes)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()

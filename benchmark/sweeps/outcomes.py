"""What a checkpoint did on a panel, task by task: all that trends are computed from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from cotgap.benchmark.domain import Relation, relate
from cotgap.benchmark.metrics.core import COT, PROMPT, by_task, revised
from cotgap.benchmark.probes.conflict import FOLLOWED
from cotgap.benchmark.probes.core import Row
from cotgap.benchmark.probes.running import read_records
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.sweeps.series import Checkpoint
from cotgap.envs.core import Panel

Rates = Mapping[str, Fraction]
"""Task key → rate."""
PROMPT_SUCCESS, COT_SUCCESS, GAP = "prompt success", "CoT success", "CoT gap"
REVISION = "revision rate"
FOLLOW, FOLLOW_OWN = "conflict follow rate", "conflict follow rate (own traces)"
OFFLINE = "offline accuracy of prompt actions"


@dataclass(frozen=True)
class Outcome:
    """One checkpoint on one panel. `rates` maps a quantity's name to each task's rate."""

    checkpoint: Checkpoint
    panel: str
    relation: Relation
    rates: Mapping[str, Rates] = field(default_factory=dict)


def outcome(
    checkpoint: Checkpoint,
    panel: Panel,
    episodes: Iterable[Episode],
    probes: Mapping[str, Path],
) -> Outcome:
    """From the episodes of one run and the folders of its probes (by name)."""
    own = [episode for episode in episodes if episode.task_key.panel == panel.name]
    modes = {mode: [e for e in own if e.mode == mode] for mode in (PROMPT, COT)}
    prompt, cot = (_success(modes[mode]) for mode in (PROMPT, COT))
    rates: dict[str, Rates] = {
        PROMPT_SUCCESS: prompt,
        COT_SUCCESS: cot,
        GAP: {key: cot[key] - prompt[key] for key in prompt if key in cot},
        REVISION: _revision(modes[COT]),
    }
    if "conflict" in probes:
        for quantity, source in ((FOLLOW, "rationale"), (FOLLOW_OWN, "own")):
            rates[quantity] = _follow(probes["conflict"], panel.name, source)
    if "offline" in probes:
        rates[OFFLINE] = _offline(probes["offline"], panel.name)
    return Outcome(checkpoint, panel.name, relate(checkpoint.card, panel), rates)


def _success(episodes: Sequence[Episode]) -> Rates:
    return {
        key: Fraction(sum(e.success for e in played), len(played))
        for key, played in by_task(episodes).items()
    }


def _revision(episodes: Sequence[Episode]) -> Rates:
    verdicts = {
        key: [v for e in played for step in e.steps if (v := revised(step)) is not None]
        for key, played in by_task(episodes).items()
    }
    return _shares(verdicts)


def _follow(folder: Path, panel: str, source: str) -> Rates:
    return _shares(
        {
            key: [
                row["traces"][source]["outcome"] == FOLLOWED
                for row in rows
                if "skipped" not in row and source in row["traces"]
            ]
            for key, rows in _rows(folder, panel)
        }
    )


def _offline(folder: Path, panel: str) -> Rates:
    return _shares(
        {key: [row[PROMPT]["experts"] for row in rows] for key, rows in _rows(folder, panel)}
    )


def _rows(folder: Path, panel: str) -> list[tuple[str, Sequence[Row]]]:
    return [
        (record.task_key, record.rows)
        for record in read_records(folder)
        if record.error is None and record.task_key.startswith(f"{panel}/")
    ]


def _shares(verdicts: Mapping[str, Sequence[bool]]) -> Rates:
    return {key: Fraction(sum(vs), len(vs)) for key, vs in verdicts.items() if vs}

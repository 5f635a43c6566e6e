"""What a checkpoint did on a panel, task by task: all that trends are computed from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from cotgap.benchmark.domain import Relation, relate
from cotgap.benchmark.metrics.core import (
    COT,
    PAIR,
    PROMPT,
    Part,
    decided,
    get_metric,
    metrics,
)
from cotgap.benchmark.probes.conflict import FOLLOWED
from cotgap.benchmark.probes.core import Row
from cotgap.benchmark.probes.running import read_records
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.stats import intervals
from cotgap.benchmark.stats.intervals import Estimate
from cotgap.benchmark.sweeps.series import Checkpoint
from cotgap.envs.core import Panel

Rates = Mapping[str, Fraction]
"""Task key → rate."""
PROMPT_SUCCESS, COT_SUCCESS, GAP = "prompt success", "CoT success", "CoT gap"
REVISION = "revision rate"
FOLLOW, FOLLOW_OWN = "conflict follow rate", "conflict follow rate (own traces)"
OFFLINE = "offline accuracy of prompt actions"
PLAYED: Mapping[str, tuple[str, Part]] = {
    PROMPT_SUCCESS: ("success", (PROMPT,)),
    COT_SUCCESS: ("success", (COT,)),
    GAP: ("cot_gap", PAIR),
    REVISION: ("revision", PAIR),
}
"""The quantities that are metrics of a run: name → (metric, its modes)."""


@dataclass(frozen=True)
class Outcome:
    """One checkpoint on one panel. `rates` maps a quantity's name to each task's rate.

    `measured` maps every metric and the modes that it is about to each task's own value.
    """

    checkpoint: Checkpoint
    panel: str
    relation: Relation
    rates: Mapping[str, Rates] = field(default_factory=dict)
    measured: Mapping[tuple[str, Part], Rates] = field(default_factory=dict)


def change(before: Rates, after: Rates) -> Estimate | None:
    """By how much the tasks that have both rates rose; None without one."""
    keys = sorted(before.keys() & after.keys())
    if not keys:
        return None
    return intervals.paired_difference([before[k] for k in keys], [after[k] for k in keys], "tasks")


def outcome(
    checkpoint: Checkpoint,
    panel: Panel,
    episodes: Iterable[Episode],
    probes: Mapping[str, Path],
) -> Outcome:
    """From the episodes of one run and the folders of its probes (by name)."""
    own = [episode for episode in episodes if episode.task_key.panel == panel.name]
    measured = {
        (name, part): values
        for name, metric in metrics().items()
        if metric.applies(own)
        for part in metric.parts(decided(own))
        if (values := metric.values(metric.counts(own, part)))
    }
    rates: dict[str, Rates] = {
        quantity: get_metric(name).values(get_metric(name).counts(own, part))
        for quantity, (name, part) in PLAYED.items()
    }
    if "conflict" in probes:
        for quantity, source in ((FOLLOW, "rationale"), (FOLLOW_OWN, "own")):
            rates[quantity] = _follow(probes["conflict"], panel.name, source)
    if "offline" in probes:
        rates[OFFLINE] = _offline(probes["offline"], panel.name)
    return Outcome(checkpoint, panel.name, relate(checkpoint.card, panel), rates, measured)


def _follow(folder: Path, panel: str, source: str) -> Rates:
    def followed(row: Row) -> bool | None:
        counted = "skipped" not in row and source in row["traces"]
        return row["traces"][source]["outcome"] == FOLLOWED if counted else None

    return _shares(folder, panel, followed)


def _offline(folder: Path, panel: str) -> Rates:
    return _shares(folder, panel, lambda row: bool(row[PROMPT]["experts"]))


def _shares(folder: Path, panel: str, verdict: Callable[[Row], bool | None]) -> Rates:
    """Each task's share of a probe's rows; those whose verdict is None are left out."""
    found = {
        record.task_key: [v for row in record.rows if (v := verdict(row)) is not None]
        for record in read_records(folder)
        if record.error is None and record.task_key.startswith(f"{panel}/")
    }
    return {key: Fraction(sum(vs), len(vs)) for key, vs in found.items() if vs}

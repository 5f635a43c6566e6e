"""All metrics of a run, panel by panel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cotgap.benchmark.metrics.core import by_task, decided, metrics, part_name, scored
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.stats.intervals import Estimate
from cotgap.envs.core import CoTGapError


@dataclass(frozen=True)
class ModeCounts:
    """Episodes driven by one mode. `repeats` is the most that a task has; `statuses` counts all."""

    scored: int
    unscored: int
    tasks: int
    repeats: int
    statuses: dict[str, int]


@dataclass(frozen=True)
class PanelSummary:
    """What one agent did on one panel, under one lock and protocol.

    `modes` holds the driving modes. `paired_tasks` have a score in all of them, and
    `unpaired_tasks` were played but lack one (both are 0 unless several modes drove): only tasks
    with a score in both modes of a gap enter it. `metrics` maps name → mode, or pair of modes
    (`prompt-cot`) → estimate; what has nothing to count is absent.
    """

    panel: str
    lock: str
    protocol: str
    fingerprint: str
    modes: dict[str, ModeCounts]
    paired_tasks: int
    unpaired_tasks: int
    metrics: dict[str, dict[str, Estimate]]

    @property
    def pairs(self) -> list[str]:
        """The pairs of modes that some metric tells of (`prompt-cot`), in the order of tables."""
        found = (parts for name, parts in self.metrics.items() if metrics()[name].scope == "pair")
        return list(dict.fromkeys(pair for parts in found for pair in parts))

    @property
    def complete(self) -> bool:
        """Whether every played episode has a score."""
        return not any(counts.unscored for counts in self.modes.values())

    def to_json(self) -> dict[str, Any]:
        """A JSON-able mapping."""
        return {**asdict(self), "complete": self.complete}


def summarise(episodes: Iterable[Episode], order: Sequence[str] = ()) -> list[PanelSummary]:
    """Every metric of every (panel, lock, protocol, agent fingerprint), sorted by these.

    `order` is that of the run's modes, which its pairs are taken in (else that of their names).
    Raises `CoTGapError` where an episode of a group occurs twice.
    """
    groups: dict[tuple[str, str, str, str], list[Episode]] = {}
    for episode in episodes:
        key = (episode.task_key.panel, episode.lock, episode.protocol, episode.fingerprint)
        groups.setdefault(key, []).append(episode)
    return [_panel(*key, groups[key], order) for key in sorted(groups)]


def _panel(
    panel: str,
    lock: str,
    protocol: str,
    fingerprint: str,
    episodes: Sequence[Episode],
    order: Sequence[str],
) -> PanelSummary:
    _check_distinct(episodes)
    modes = {
        mode: [episode for episode in episodes if episode.mode == mode]
        for mode in sorted({episode.mode for episode in episodes})
    }
    paired, unpaired = 0, 0
    if len(modes) > 1:
        paired = len(set.intersection(*(set(by_task(driven)) for driven in modes.values())))
        unpaired = len({str(episode.task_key) for episode in episodes}) - paired
    return PanelSummary(
        panel=panel,
        lock=lock,
        protocol=protocol,
        fingerprint=fingerprint,
        modes={mode: _counts(driven) for mode, driven in modes.items()},
        paired_tasks=paired,
        unpaired_tasks=unpaired,
        metrics=_estimates(episodes, list(modes), decided(episodes, order)),
    )


def _estimates(
    episodes: Sequence[Episode], driving: Sequence[str], decided_: Sequence[str]
) -> dict[str, dict[str, Estimate]]:
    found = {}
    for name, metric in metrics().items():
        if metric.applies(episodes):
            estimates = {
                part_name(part): estimate
                for part in metric.parts(driving if metric.scope == "mode" else decided_)
                if (estimate := metric.estimate(episodes, part)) is not None
            }
            if estimates:
                found[name] = estimates
    return found


def _counts(episodes: Sequence[Episode]) -> ModeCounts:
    per_task = Counter(str(episode.task_key) for episode in episodes)
    with_score = len(scored(episodes))
    return ModeCounts(
        scored=with_score,
        unscored=len(episodes) - with_score,
        tasks=len(per_task),
        repeats=max(per_task.values()),
        statuses=dict(sorted(Counter(episode.status.value for episode in episodes).items())),
    )


def _check_distinct(episodes: Sequence[Episode]) -> None:
    (key, times), *_ = Counter(episode.id for episode in episodes).most_common(1)
    if times > 1:
        task, mode, repeat = key
        raise CoTGapError(
            f"episode {task} in mode {mode!r}, repeat {repeat}, occurs {times} times under one "
            "lock and agent: a run holds each episode once. Summarise one run at a time."
        )

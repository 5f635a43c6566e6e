"""All metrics of a run, panel by panel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cotgap.benchmark.metrics.core import COT, PROMPT, by_task, metrics, scored
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.stats.intervals import Estimate
from cotgap.envs.core import CoTGapError

PAIR = "pair"


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

    `modes` holds the driving modes. `paired_tasks` have a score in both modes of the CoT gap, and
    only they enter it; `unpaired_tasks` were played but lack one (0 unless both modes drove).
    `metrics` maps name → mode, or `"pair"` → estimate; what has nothing to count is absent.
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
    def complete(self) -> bool:
        """Whether every played episode has a score."""
        return not any(counts.unscored for counts in self.modes.values())

    def to_json(self) -> dict[str, Any]:
        """A JSON-able mapping."""
        return {**asdict(self), "complete": self.complete}


def summarise(episodes: Iterable[Episode]) -> list[PanelSummary]:
    """Every metric of every (panel, lock, protocol, agent fingerprint), sorted by these.

    Raises `CoTGapError` where an episode of a group occurs twice.
    """
    groups: dict[tuple[str, str, str, str], list[Episode]] = {}
    for episode in episodes:
        key = (episode.task_key.panel, episode.lock, episode.protocol, episode.fingerprint)
        groups.setdefault(key, []).append(episode)
    return [_panel(*key, groups[key]) for key in sorted(groups)]


def _panel(
    panel: str, lock: str, protocol: str, fingerprint: str, episodes: Sequence[Episode]
) -> PanelSummary:
    _check_distinct(episodes)
    modes = {
        mode: [episode for episode in episodes if episode.mode == mode]
        for mode in sorted({episode.mode for episode in episodes})
    }
    tasks = [{str(episode.task_key) for episode in modes.get(mode, ())} for mode in (PROMPT, COT)]
    paired = set(by_task(modes.get(PROMPT, ()))) & set(by_task(modes.get(COT, ())))
    return PanelSummary(
        panel=panel,
        lock=lock,
        protocol=protocol,
        fingerprint=fingerprint,
        modes={mode: _counts(driven) for mode, driven in modes.items()},
        paired_tasks=len(paired),
        unpaired_tasks=len(tasks[0] | tasks[1]) - len(paired) if all(tasks) else 0,
        metrics=_estimates(episodes, modes),
    )


def _estimates(
    episodes: Sequence[Episode], modes: dict[str, list[Episode]]
) -> dict[str, dict[str, Estimate]]:
    found = {}
    for name, metric in metrics().items():
        if not metric.applies(episodes):
            continue
        parts = modes if metric.scope == "mode" else {PAIR: episodes}
        estimates = {part: metric.compute(played) for part, played in parts.items()}
        present = {part: value for part, value in estimates.items() if value is not None}
        if present:
            found[name] = present
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

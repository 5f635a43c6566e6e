"""Two runs' episodes, task by task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from cotgap.benchmark.compare.sides import Shared, SharedPanel, Side
from cotgap.benchmark.metrics.core import by_task
from cotgap.benchmark.records.episode import Episode

Tasks = Mapping[str, Sequence[Episode]]
"""Task key → scored episodes."""


@dataclass(frozen=True)
class Pairs:
    """A panel's episodes in two runs: by mode, those of tasks that have a score in both.

    `lacking` says how many planned episodes of the shared tasks have no score, in either run.
    """

    panel: SharedPanel
    modes: tuple[str, ...]
    first: Mapping[str, Tasks]
    second: Mapping[str, Tasks]
    lacking: tuple[int, int]

    @property
    def complete(self) -> bool:
        """Whether every planned episode of the shared tasks has a score."""
        return not any(self.lacking)

    def tasks(self, *modes: str) -> list[str]:
        """The keys of the tasks with a score in all of these modes in both runs."""
        kept = [self.first[mode] for mode in modes]
        return [key for key in kept[0] if all(key in tasks for tasks in kept)]


def pair(a: Side, b: Side, shared: Shared) -> list[Pairs]:
    """Every shared panel's pairs."""
    return [_pair(a, b, panel, shared.modes) for panel in shared.panels]


def _pair(a: Side, b: Side, panel: SharedPanel, modes: tuple[str, ...]) -> Pairs:
    wanted = set(panel.tasks)
    played = [
        [
            e
            for e in side.episodes
            if e.task_key.panel == panel.name and e.lock == panel.lock and e.task_key.task in wanted
        ]
        for side in (a, b)
    ]
    tasks = [{mode: _of_mode(found, mode) for mode in modes} for found in played]
    planned = [len(panel.tasks) * len(modes) * side.config.repeats for side in (a, b)]
    scored = [sum(len(e) for t in found.values() for e in t.values()) for found in tasks]
    shared = {mode: [key for key in tasks[0][mode] if key in tasks[1][mode]] for mode in modes}
    first, second = (
        {mode: {key: found[mode][key] for key in shared[mode]} for mode in modes} for found in tasks
    )
    lacking = (planned[0] - scored[0], planned[1] - scored[1])
    return Pairs(panel, modes, first, second, lacking)


def _of_mode(episodes: Iterable[Episode], mode: str) -> dict[str, list[Episode]]:
    return by_task(episode for episode in episodes if episode.mode == mode)


def mean_of(episodes: Sequence[Episode], amount: Callable[[Episode], float]) -> Fraction:
    """The mean over a task's repeats, exactly (but for digits beyond the ninth)."""
    total = sum((Fraction(amount(e)).limit_denominator(10**9) for e in episodes), Fraction(0))
    return total / len(episodes)

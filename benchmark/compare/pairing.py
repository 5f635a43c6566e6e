"""Two runs' episodes, task by task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cotgap.benchmark.compare.sides import Shared, SharedPanel, Side
from cotgap.benchmark.metrics.core import by_task, decided
from cotgap.benchmark.records.episode import Episode

Tasks = Mapping[str, Sequence[Episode]]
"""Task key → scored episodes."""


@dataclass(frozen=True)
class Pairs:
    """A panel's episodes in two runs: by mode, those of tasks that have a score in both.

    `modes` drive in both runs, `decided` are shadowed there as well. `played` holds every episode
    of the shared tasks in either run, with a score or without; `lacking` says how many planned ones
    have none.
    """

    panel: SharedPanel
    modes: tuple[str, ...]
    decided: tuple[str, ...]
    played: tuple[Sequence[Episode], Sequence[Episode]]
    first: Mapping[str, Tasks]
    second: Mapping[str, Tasks]
    lacking: tuple[int, int]

    @property
    def complete(self) -> bool:
        """Whether every planned episode of the shared tasks has a score."""
        return not any(self.lacking)

    def tasks(self, mode: str) -> list[str]:
        """The keys of the tasks with a score in this mode in both runs."""
        return list(self.first[mode])


def pair(a: Side, b: Side, shared: Shared) -> list[Pairs]:
    """Every shared panel's pairs."""
    return [_pair(a, b, panel, shared.modes) for panel in shared.panels]


def _pair(a: Side, b: Side, panel: SharedPanel, modes: tuple[str, ...]) -> Pairs:
    wanted = set(panel.tasks)
    one, two = (
        [
            e
            for e in side.episodes
            if e.task_key.panel == panel.name and e.lock == panel.lock and e.task_key.task in wanted
        ]
        for side in (a, b)
    )
    tasks = [{m: by_task(e for e in run if e.mode == m) for m in modes} for run in (one, two)]
    planned = [len(panel.tasks) * len(modes) * side.config.repeats for side in (a, b)]
    scored = [sum(len(e) for t in found.values() for e in t.values()) for found in tasks]
    shared = {mode: [key for key in tasks[0][mode] if key in tasks[1][mode]] for mode in modes}
    first, second = (
        {mode: {key: found[mode][key] for key in shared[mode]} for mode in modes} for found in tasks
    )
    either = decided(two)
    shadowed = [m for m in decided(one, a.config.modes) if m in either and m not in modes]
    return Pairs(
        panel=panel,
        modes=modes,
        decided=(*modes, *shadowed),
        played=(one, two),
        first=first,
        second=second,
        lacking=(planned[0] - scored[0], planned[1] - scored[1]),
    )

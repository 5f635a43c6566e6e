"""The kinds of metrics: what a count is, and what interval and test go with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from cotgap.benchmark.metrics.core import Count, Counts, Metric, Part, Unit, by_task, total
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.stats import intervals, paired
from cotgap.benchmark.stats.intervals import Estimate
from cotgap.envs.core import CoTGapError, TaskKey, UnknownNameError
from cotgap.envs.registry import get_suite


@dataclass(frozen=True, kw_only=True)
class Rate(Metric):
    """A share in [0, 1], of episodes or of what `over` names."""

    unit: Unit = "rate"

    def ends(self, counts: Counts) -> tuple[float, float] | None:
        """Of episodes, and of tasks."""
        return (0.0, 1.0) if self.over in ("episodes", "tasks") else None

    def _estimate(self, counts: Counts) -> Estimate:
        return intervals.rate(*columns(counts), self.over)

    def _apart(self, first: list[Count], second: list[Count]) -> Estimate | None:
        return paired.rate_difference(first, second, "tasks")


@dataclass(frozen=True, kw_only=True)
class Mean(Metric):
    """An amount for each of what `over` names, never below `least`."""

    least: float = 0.0

    def rise(self, early: Sequence[Fraction], late: Sequence[Fraction]) -> Estimate:
        """Without bounds."""
        return paired.rise(early, late, "tasks")

    def _estimate(self, counts: Counts) -> Estimate:
        return intervals.mean(*columns(counts), self.over, self.least)


@dataclass(frozen=True, kw_only=True)
class Score(Metric):
    """An amount for each episode within the suite's range of scores."""

    unit: Unit = "score"

    def ends(self, counts: Counts) -> tuple[float, float] | None:
        """The suite's range."""
        return score_range(next(iter(counts)))

    def shares(self, counts: Counts) -> list[Fraction]:
        """Raises `CoTGapError` for a score outside the range."""
        found = [share.limit_denominator(10**9) for share in super().shares(counts)]
        for key, share in zip(counts, found, strict=True):
            if not 0 <= share <= 1:
                least, most = score_range(key)
                raise CoTGapError(
                    f"{key}: score {float(least + share * (most - least)):g} is outside the "
                    f"suite's range, {least:g} to {most:g}: the record is damaged, or of another "
                    "version"
                )
        return found

    def values(self, counts: Counts) -> dict[str, Fraction]:
        """As shares of the range."""
        return dict(zip(counts, self.shares(counts), strict=True))

    def _estimate(self, counts: Counts) -> Estimate:
        found = intervals.mean(*columns(counts), self.over)
        if found.low is None or found.high is None:
            return found
        try:
            least, most = score_range(next(iter(counts)))
        except UnknownNameError:  # a record of a suite that is not here any more
            return found
        return replace(
            found,
            low=min(found.value, max(found.low, least)),
            high=max(found.value, min(found.high, most)),
        )


@dataclass(frozen=True, kw_only=True)
class Gap(Metric):
    """A share of episodes in the second mode less that in the first, paired by task.

    Of the tasks with a score in both modes; `count` is that of a rate over episodes.
    """

    unit: Unit = "points"
    over: str = "tasks"
    scope: Literal["mode", "pair"] = "pair"

    def counts(self, episodes: Iterable[Episode], part: Part) -> Counts:
        """(the difference, 1) of each task."""
        return {key: (after - before, 1) for key, (before, after) in self._both(episodes, part)}

    def ends(self, counts: Counts) -> tuple[float, float] | None:
        """Two shares differ by 1 at most."""
        return -1.0, 1.0

    def _both(
        self, episodes: Iterable[Episode], part: Part
    ) -> list[tuple[str, tuple[Fraction, Fraction]]]:
        """Each task's share in either mode."""
        played = list(episodes)
        first, second = (
            self.values({key: total(map(self.count, task)) for key, task in tasks.items()})
            for tasks in (by_task(e for e in played if e.mode == mode) for mode in part)
        )
        return [(key, (first[key], second[key])) for key in first if key in second]

    def _estimate(self, counts: Counts) -> Estimate | None:
        gaps = list(self.values(counts).values())
        return intervals.paired_difference([Fraction(0)] * len(gaps), gaps, self.over)


@dataclass(frozen=True, kw_only=True)
class Headroom(Gap):
    """A gap as a share of what the first mode leaves to be gained."""

    unit: Unit = "ratio"

    def counts(self, episodes: Iterable[Episode], part: Part) -> Counts:
        """(the gap, the room above the first mode) of each task."""
        both = self._both(episodes, part)
        return {key: (after - before, 1 - before) for key, (before, after) in both}

    def ends(self, counts: Counts) -> tuple[float, float] | None:
        """A ratio has no least."""
        return None

    def rise(self, early: Sequence[Fraction], late: Sequence[Fraction]) -> Estimate:
        """Without bounds, over the tasks with room."""
        return paired.rise(early, late, "tasks")

    def _estimate(self, counts: Counts) -> Estimate | None:
        first = [1 - Fraction(room) for _, room in counts.values()]
        second = [a + Fraction(gap) for a, (gap, _) in zip(first, counts.values(), strict=True)]
        return intervals.relative_gain(first, second, self.over)


@dataclass(frozen=True, kw_only=True)
class Number(Metric):
    """How many of all played episodes, with a score or without: exact."""

    unit: Unit = "count"

    def counts(self, episodes: Iterable[Episode], part: Part) -> Counts:
        """Of each played task."""
        tasks: dict[str, list[Count]] = {}
        for episode in episodes:
            if episode.mode == part[-1]:
                tasks.setdefault(str(episode.task_key), []).append(self.count(episode))
        return {key: total(counts) for key, counts in tasks.items()}

    def level(self, counts: Counts) -> float:
        """The number."""
        return float(total(counts.values())[0])

    def _estimate(self, counts: Counts) -> Estimate:
        much, many = total(counts.values())
        return Estimate(float(much), None, None, int(many), self.over, "count")

    def _apart(self, first: list[Count], second: list[Count]) -> Estimate | None:
        before, after = total(first), total(second)
        if not before[0] and not after[0]:
            return None
        value, many = float(after[0] - before[0]), int(before[1] + after[1])
        return Estimate(value, None, None, many, self.over, "count")


def columns(counts: Counts) -> tuple[list[float], list[int]]:
    """(how much, of how many) over tasks, as `intervals` takes them."""
    return [float(x) for x, _ in counts.values()], [int(n) for _, n in counts.values()]


def score_range(task_key: str) -> tuple[float, float]:
    """The least and the highest score that the task's suite gives; raises `UnknownNameError`."""
    return get_suite(TaskKey.parse(task_key).suite).score_range

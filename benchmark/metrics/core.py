"""What a metric is: what it counts, and all that follows from the count.

A metric is one file of this folder with a `METRIC` object; its name is the file's. It says what an
episode counts, `count(episode)` → (how much, of how many), and its kind (see `kinds`) what that
makes: a share, a mean, a score within the suite's range, a gap between two modes. Everything else
follows from the counts of tasks, and is here once: the estimate over a run, the difference of two
runs, the trend over checkpoints, the weights by which agents are ranked, and what a gate judges.

A metric is pure: the same episodes, in whatever order, give the same numbers. Episodes without a
score count in `unscored` only, and a metric that has nothing to count gives None, never 0.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations
from typing import Literal

from cotgap.agents import modes
from cotgap.benchmark.records.episode import Episode, StepRecord
from cotgap.benchmark.stats import intervals, paired
from cotgap.benchmark.stats.intervals import Estimate
from cotgap.envs.plugins import Extensions

Part = tuple[str, ...]
"""The modes that a number is about: one that drives, or a pair (from, to)."""
PAIR: Part = modes.PAIR
PROMPT, COT = modes.PAIR

Amount = int | float | Fraction
Count = tuple[Amount, Amount]
"""(how much, of how many)"""
Counts = Mapping[str, Count]
"""Task key → what the task's scored episodes counted together."""

NEEDS: Mapping[str, str] = {
    "shadows": "both modes' decisions at the same state (a CoT-driven run with shadows)",
    "oracle": "a suite whose environments know the cost to go",
    "repeats": "more than one repeat of a task",
    "tokens": "a backend that counts tokens",
}
"""What a metric may need beyond scored episodes; without it the metric is None."""

Unit = Literal["rate", "points", "ratio", "score", "count", "tokens", "steps", "yield", "share"]
"""rate: a share in [0, 1]. points: a difference of two rates in [-1, 1]. ratio: a difference
relative to another, at most 1. score: in the suite's own range. count: exact, without interval.
tokens, steps: per episode. yield: successes per 1,000 tokens.
share: of one rate in another, at least 0."""


@dataclass(frozen=True, kw_only=True)
class Metric(ABC):
    """One number about what an agent did on a panel; its subclasses are the kinds.

    `count` is given an episode, and of scope "pair" the two modes as well: then it counts the
    episodes that the second mode drove. `over` names what is counted. `direction` says which way is
    better. `applies` says of all episodes of a group whether the metric tells anything there;
    `unless_zero` that it does not where the sum is 0. `order` sorts tables.
    """

    name: str
    title: str
    doc: str
    unit: Unit
    direction: Literal["higher", "lower", "neutral"]
    order: int
    count: Callable[..., Count]
    over: str = "episodes"
    scope: Literal["mode", "pair"] = "mode"
    needs: tuple[str, ...] = ()
    applies: Callable[[Sequence[Episode]], bool] = lambda episodes: True
    unless_zero: bool = False

    def parts(self, modes: Sequence[str]) -> list[Part]:
        """What the metric is a number of, among these modes."""
        return pairs(modes) if self.scope == "pair" else [(mode,) for mode in modes]

    def counts(self, episodes: Iterable[Episode], part: Part) -> Counts:
        """What each task counts, by key."""
        tasks = by_task(episode for episode in episodes if episode.mode == part[-1])
        modes = part if self.scope == "pair" else ()
        return {
            key: total(self.count(episode, *modes) for episode in task)
            for key, task in tasks.items()
        }

    def estimate(self, episodes: Iterable[Episode], part: Part) -> Estimate | None:
        """The number over one run; None where there is nothing to count."""
        counts = self.counts(episodes, part)
        return self._estimate(counts) if self._told(counts) else None

    def shared(self, first: Counts, second: Counts) -> tuple[Counts, Counts]:
        """Two runs' counts of the tasks that both have."""
        alike = self.ends(first) is not None if first else False
        keys = [
            key
            for key in first
            if key in second and not (alike and 0 in (first[key][1], second[key][1]))
        ]
        one, two = ({key: run[key] for key in keys} for run in (first, second))
        return one, two

    def difference(self, first: Counts, second: Counts) -> Estimate | None:
        """`second` − `first`, two runs' counts of the same tasks; None where either lacks any."""
        if not any(map(self._told, (first, second))) or not all(map(told, (first, second))):
            return None
        if (ends := self.ends(first)) is None:
            return self._apart(list(first.values()), list(second.values()))
        before, after = (self.shares(counts) for counts in (first, second))
        return scaled(intervals.paired_difference(before, after, "tasks"), ends[1] - ends[0])

    def level(self, counts: Counts) -> float:
        """The number itself, as one side of a difference."""
        if (ends := self.ends(counts)) is None:
            return float(sum(x for x, _ in counts.values()) / sum(n for _, n in counts.values()))
        shares = self.shares(counts)
        return ends[0] + (ends[1] - ends[0]) * float(sum(shares, Fraction(0)) / len(shares))

    def ends(self, counts: Counts) -> tuple[float, float] | None:
        """The least and the most that a task's own number can be, where each task counts alike.

        None of what has no bounds, and of shares of steps, which weigh a task by its steps.
        """
        return None

    def shares(self, counts: Counts) -> list[Fraction]:
        """Each task's own number, as a share of the way from one of the `ends` to the other."""
        least, most = self.ends(counts) or (0.0, 1.0)
        return [
            (Fraction(x) / Fraction(n) - Fraction(least)) / Fraction(most - least)
            for x, n in counts.values()
        ]

    def rise(self, early: Sequence[Fraction], late: Sequence[Fraction]) -> Estimate:
        """The mean of `late` − `early` over tasks, two numbers of each as `values` gives them."""
        return intervals.paired_difference(early, late, "tasks")

    def values(self, counts: Counts) -> dict[str, Fraction]:
        """Each task's own number, where it has one."""
        return {key: Fraction(x) / Fraction(n) for key, (x, n) in counts.items() if n}

    def _told(self, counts: Counts) -> bool:
        return told(counts) and not (self.unless_zero and not any(x for x, _ in counts.values()))

    @abstractmethod
    def _estimate(self, counts: Counts) -> Estimate | None: ...

    def _apart(self, first: list[Count], second: list[Count]) -> Estimate | None:
        """The difference, where there are no `ends`."""
        return paired.mean_difference(first, second, "tasks")


METRICS: Extensions[Metric] = Extensions(
    "metric",
    __package__,
    "METRIC",
    Metric,
    helpers=("core", "kinds", "summary"),
    order=lambda metric: (metric.order, metric.name),
)


def metrics() -> Mapping[str, Metric]:
    """Every metric by name, in the order of tables."""
    return METRICS.all()


def get_metric(name: str) -> Metric:
    """The metric of that name; raises `UnknownNameError`."""
    return METRICS.get(name)


# What metrics share.


def pairs(modes: Iterable[str]) -> list[Part]:
    """Every two of these modes, in their order, but that `prompt` comes first.

    It takes no thought: what any other mode is compared with.
    """
    ordered = sorted(dict.fromkeys(modes), key=lambda mode: mode != PROMPT)
    return list(combinations(ordered, 2))


def decided(episodes: Iterable[Episode], order: Sequence[str] = ()) -> tuple[str, ...]:
    """The modes with a decision in these episodes, executed or shadowed.

    Those of `order` first and in this order, others by name.
    """
    found = {mode for e in episodes for mode in (e.mode, *(m for s in e.steps for m in s.shadows))}
    known = [mode for mode in order if mode in found]
    return (*known, *sorted(found - set(known)))


def part_name(part: Part) -> str:
    """`cot`, or `prompt-cot` for a pair: how files and options name it."""
    return "-".join(part)


def arrow(name: str) -> str:
    """`cot`, or `prompt → cot`: how tables name a part of this `part_name`."""
    return name.replace("-", " → ")


def titled(metric: Metric, name: str) -> str:
    """A metric's title with the modes that it is about, but for those of the CoT gap."""
    return metric.title if name == part_name(PAIR) else f"{metric.title}, {arrow(name)}"


def scored(episodes: Iterable[Episode]) -> list[Episode]:
    """The episodes that count."""
    return [episode for episode in episodes if episode.status.scored]


def by_task(episodes: Iterable[Episode]) -> dict[str, list[Episode]]:
    """Task key → its scored episodes, sorted by key."""
    tasks: dict[str, list[Episode]] = {}
    for episode in scored(episodes):
        tasks.setdefault(str(episode.task_key), []).append(episode)
    return dict(sorted(tasks.items()))


def total(counts: Iterable[Count]) -> Count:
    """The sum, the same in whatever order."""
    found = list(counts)
    return sum(sorted(x for x, _ in found)), sum(n for _, n in found)


def told(counts: Counts) -> bool:
    """Whether anything was counted at all."""
    return any(n for _, n in counts.values())


def scaled(estimate: Estimate, width: float) -> Estimate:
    """A difference of shares in the unit of what they are shares of."""
    low, high, mde = (
        None if x is None else width * x for x in (estimate.low, estimate.high, estimate.mde)
    )
    return replace(estimate, value=width * estimate.value, low=low, high=high, mde=mde)


def of_steps(
    verdict: Callable[[StepRecord], bool | None],
) -> Callable[[Episode], Count]:
    """Counts the steps of an episode; those whose verdict is None are left out."""

    def count(episode: Episode) -> Count:
        verdicts = [found for step in episode.steps if (found := verdict(step)) is not None]
        return sum(verdicts), len(verdicts)

    return count


def revised(step: StepRecord, pair: Part = PAIR) -> bool | None:
    """Whether the second mode's action differs from the first's, by the suite's normal forms.

    None unless both were given and parsed.
    """
    first, second = (step.decision_of(mode) for mode in pair)
    if first is None or second is None or first.action is None or second.action is None:
        return None
    return step.canonical[pair[0]] != step.canonical[pair[1]]


def revision_gain(step: StepRecord, pair: Part = PAIR) -> int | None:
    """1, 0, -1: the second mode's action lowers, keeps, raises the cost to go against the first's.

    No way left (a cost of None) is further than any distance. None where the costs are unknown.
    """
    costs = step.cost_to_go
    if not set(pair) <= costs.keys():
        return None
    first, second = (
        float("inf") if cost is None else float(cost) for cost in (costs[mode] for mode in pair)
    )
    return (first > second) - (first < second)


def revisions(gain: int | None = None) -> Callable[[Episode, str, str], Count]:
    """Counts the revised states of those where both modes' actions parsed.

    With `gain`: those of this `revision_gain`, of the states whose costs are known.
    """

    def count(episode: Episode, first: str, second: str) -> Count:
        def verdict(step: StepRecord) -> bool | None:
            changed = revised(step, (first, second))
            if changed is None or gain is None:
                return changed
            found = revision_gain(step, (first, second))
            return None if found is None else changed and found == gain

        return of_steps(verdict)(episode)

    return count

"""What a metric is, where metrics are found, and what they share.

A metric is one file of this folder with a `METRIC` object; its name is the file's. It is pure:
the same episodes, in whatever order, give the same estimate. Episodes without a score count in
`unscored` only, and a metric that has nothing to count gives None, never 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from cotgap.benchmark.records.episode import Episode, StepRecord
from cotgap.benchmark.stats import intervals
from cotgap.benchmark.stats.intervals import Estimate
from cotgap.envs.plugins import Extensions

# The two modes whose difference is the CoT gap (arXiv:2606.26935).
PROMPT, COT = "prompt", "cot"

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


@dataclass(frozen=True)
class Metric:
    """One number about an agent on a panel.

    `compute` is given all episodes of one group (see `summary.summarise`) that one mode drove
    (scope `mode`) or that all modes drove (scope `pair`), and gives None where it has nothing to
    count. `applies` says of all episodes of a group whether the metric tells anything there.
    `direction` says which way is better. `order` sorts tables.
    """

    name: str
    title: str
    doc: str
    unit: Unit
    direction: Literal["higher", "lower", "neutral"]
    scope: Literal["mode", "pair"]
    order: int
    compute: Callable[[Sequence[Episode]], Estimate | None]
    needs: tuple[str, ...] = ()
    applies: Callable[[Sequence[Episode]], bool] = lambda episodes: True


METRICS: Extensions[Metric] = Extensions(
    "metric",
    __package__,
    "METRIC",
    Metric,
    helpers=("core", "summary"),
    order=lambda metric: (metric.order, metric.name),
)


def metrics() -> Mapping[str, Metric]:
    """Every metric by name, in the order of tables."""
    return METRICS.all()


def get_metric(name: str) -> Metric:
    """The metric of that name; raises `UnknownNameError`."""
    return METRICS.get(name)


# What metrics share.


def scored(episodes: Iterable[Episode]) -> list[Episode]:
    """The episodes that count."""
    return [episode for episode in episodes if episode.status.scored]


def by_task(episodes: Iterable[Episode]) -> dict[str, list[Episode]]:
    """Task key → its scored episodes, sorted by key."""
    tasks: dict[str, list[Episode]] = {}
    for episode in scored(episodes):
        tasks.setdefault(str(episode.task_key), []).append(episode)
    return dict(sorted(tasks.items()))


def episode_rate(episodes: Iterable[Episode], counts: Callable[[Episode], bool]) -> Estimate | None:
    """Share of scored episodes."""
    tasks = by_task(episodes).values()
    if not tasks:
        return None
    return intervals.rate(
        [sum(map(counts, task)) for task in tasks], list(map(len, tasks)), "episodes"
    )


def episode_mean(
    episodes: Iterable[Episode],
    amount: Callable[[Episode], float],
    least: float = float("-inf"),
) -> Estimate | None:
    """Mean of a quantity, never below `least`, over scored episodes."""
    tasks = by_task(episodes).values()
    if not tasks:
        return None
    return intervals.mean(
        [sum(sorted(map(amount, task))) for task in tasks],
        list(map(len, tasks)),
        "episodes",
        least,
    )


def step_rate(
    episodes: Iterable[Episode], counts: Callable[[StepRecord], bool | None], unit: str
) -> Estimate | None:
    """Share of the steps of scored episodes; steps for which `counts` gives None are left out."""
    verdicts = [
        [verdict for e in task for step in e.steps if (verdict := counts(step)) is not None]
        for task in by_task(episodes).values()
    ]
    if not any(verdicts):
        return None
    return intervals.rate(list(map(sum, verdicts)), list(map(len, verdicts)), unit)


def success_pairs(episodes: Sequence[Episode]) -> tuple[list[Fraction], list[Fraction]]:
    """Success rates of the tasks that have a score in both modes: (prompt, CoT)."""
    prompt, cot = (by_task(e for e in episodes if e.mode == mode) for mode in (PROMPT, COT))
    shared = [key for key in prompt if key in cot]
    return [_success(prompt[key]) for key in shared], [_success(cot[key]) for key in shared]


def _success(task: Sequence[Episode]) -> Fraction:
    return Fraction(sum(episode.success for episode in task), len(task))


def revision_rate(
    episodes: Iterable[Episode], counts: Callable[[StepRecord], bool | None]
) -> Estimate | None:
    """Share of the comparable states of CoT-driven episodes (see `revised`)."""
    return step_rate(
        (episode for episode in episodes if episode.mode == COT),
        lambda step: None if revised(step) is None else counts(step),
        "states",
    )


def revised(step: StepRecord) -> bool | None:
    """Whether the CoT action differs from the prompt action, by the suite's normal forms.

    None unless both were given and parsed.
    """
    prompt, cot = step.decision_of(PROMPT), step.decision_of(COT)
    if prompt is None or cot is None or prompt.action is None or cot.action is None:
        return None
    return step.canonical[PROMPT] != step.canonical[COT]


def revision_gain(step: StepRecord) -> int | None:
    """1, 0, -1: the CoT action lowers, keeps, raises the cost to go against the prompt action.

    No way left (a cost of None) is further than any distance. None where the costs are unknown.
    """
    costs = step.cost_to_go
    if PROMPT not in costs or COT not in costs:
        return None
    prompt, cot = (
        float("inf") if cost is None else float(cost) for cost in (costs[PROMPT], costs[COT])
    )
    return (prompt > cot) - (prompt < cot)


def revision_share(episodes: Iterable[Episode], gain: int) -> Estimate | None:
    """Share of comparable states with known costs that are revised with this `revision_gain`."""

    def counts(step: StepRecord) -> bool | None:
        found = revision_gain(step)
        return None if found is None else bool(revised(step)) and found == gain

    return revision_rate(episodes, counts)

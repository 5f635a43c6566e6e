"""By how much the second of two runs differs from the first, one estimate per quantity."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial

from cotgap.benchmark.compare.pairing import Pairs, Tasks, mean_of
from cotgap.benchmark.metrics import score, tokens_in, tokens_out
from cotgap.benchmark.metrics.core import COT, PROMPT, Unit, get_metric, revised
from cotgap.benchmark.metrics.summary import PAIR
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.stats import intervals
from cotgap.benchmark.stats.intervals import Estimate
from cotgap.benchmark.stats.paired import Counted, mean_difference, rate_difference
from cotgap.envs.core import CoTGapError
from cotgap.envs.registry import get_suite


@dataclass(frozen=True)
class Rates:
    """One number in [0, 1] for each task and run, and what it stands for.

    A rate r is `low` + `width`·r in the metric's own unit. A difference of two rates is `span` of
    them to a margin: a CoT gap goes from −100 to 100 points, and of a score's range, 3 points are
    three hundredths.
    """

    first: tuple[Fraction, ...]
    second: tuple[Fraction, ...]
    span: int = 1
    low: float = 0.0
    width: float = 1.0

    @property
    def differences(self) -> list[Fraction]:
        """`second` − `first`, in [-1, 1]."""
        return [b - a for a, b in zip(self.first, self.second, strict=True)]


@dataclass(frozen=True)
class Difference:
    """A quantity in both runs, over the tasks with a score in both.

    `metric` is the name of one of `cotgap.benchmark.metrics`, `mode` the driving mode or "pair".
    `first` and `second` are the runs' own values there, in the metric's unit, and `estimate` says
    how far `second` is above `first` (in the same unit, whose sign of a difference `unit` names).
    """

    metric: str
    title: str
    mode: str
    unit: Unit
    first: float
    second: float
    estimate: Estimate


def differences(pairs: Pairs) -> list[Difference]:
    """Every quantity that both runs have, in the order of tables."""
    return [*_of_rates(pairs), *_of_counts(pairs)]


def task_rates(pairs: Pairs, metric: str, mode: str) -> Rates | None:
    """A bounded quantity by task; None where no task has it in both runs.

    `metric` is one of `BOUNDED`, `mode` a driving mode, or "pair" for the CoT gap.
    """
    return BOUNDED[metric](pairs, mode)


def parts_of(pairs: Pairs, metric: str) -> tuple[str, ...]:
    """The modes that a metric is compared in, or "pair"."""
    return pairs.modes if get_metric(metric).scope == "mode" else (PAIR,)


def _success(pairs: Pairs, mode: str) -> Rates | None:
    return _means(pairs, mode, lambda episode: float(episode.success))


def _score(pairs: Pairs, mode: str) -> Rates | None:
    """Scores as shares of the suite's range; raises `CoTGapError` for one that is outside."""
    low, high = get_suite(pairs.panel.name.partition("/")[0]).score_range

    def share(episode: Episode) -> float:
        found = score.final_score(episode)
        if not low <= found <= high:
            raise CoTGapError(
                f"{episode.task_key}: score {found:g} is outside the suite's range, {low:g} to "
                f"{high:g}: the record is damaged, or of another version"
            )
        return (found - low) / (high - low)

    rates = _means(pairs, mode, share)
    return None if rates is None else replace(rates, low=low, width=high - low)


def _gap(pairs: Pairs, mode: str) -> Rates | None:
    """The CoT gap of each task, from [-1, 1] moved into [0, 1]."""
    if not {PROMPT, COT} <= set(pairs.modes) or not (keys := pairs.tasks(PROMPT, COT)):
        return None

    def gap(tasks: Mapping[str, Tasks], key: str) -> Fraction:
        prompt, cot = (mean_of(tasks[m][key], lambda e: float(e.success)) for m in (PROMPT, COT))
        return (1 + cot - prompt) / 2

    first, second = (
        tuple(gap(tasks, key) for key in keys) for tasks in (pairs.first, pairs.second)
    )
    return Rates(first, second, span=2, low=-1.0, width=2.0)


BOUNDED: Mapping[str, Callable[[Pairs, str], Rates | None]] = {
    "success": _success,
    "score": _score,
    "cot_gap": _gap,
}
"""The quantities that a gate can be set on: their margins are percentage points."""


def _means(pairs: Pairs, mode: str, amount: Callable[[Episode], float]) -> Rates | None:
    keys = pairs.tasks(mode)
    if not keys:
        return None
    first, second = (
        tuple(mean_of(tasks[mode][key], amount) for key in keys)
        for tasks in (pairs.first, pairs.second)
    )
    return Rates(first, second)


def _of_rates(pairs: Pairs) -> Iterator[Difference]:
    for name in BOUNDED:
        metric = get_metric(name)
        for mode in parts_of(pairs, name):
            rates = task_rates(pairs, name, mode)
            if rates is None or not metric.applies(_episodes(pairs, mode)):
                continue
            first, second = (
                rates.low + rates.width * float(sum(run) / len(run))
                for run in (rates.first, rates.second)
            )
            estimate = _scaled(
                intervals.paired_difference(rates.first, rates.second, "tasks"), rates.width
            )
            yield Difference(name, metric.title, mode, metric.unit, first, second, estimate)


def _episodes(pairs: Pairs, mode: str) -> list[Episode]:
    """Those that a mode drove, or all modes for "pair"."""
    modes = pairs.modes if mode == PAIR else (mode,)
    runs = [run[mode] for run in (pairs.first, pairs.second) for mode in modes]
    return [episode for tasks in runs for task in tasks.values() for episode in task]


def _scaled(estimate: Estimate, width: float) -> Estimate:
    """In the unit of the quantity itself."""
    low, high, mde = (
        None if x is None else width * x for x in (estimate.low, estimate.high, estimate.mde)
    )
    return replace(estimate, value=width * estimate.value, low=low, high=high, mde=mde)


def _of_counts(pairs: Pairs) -> Iterator[Difference]:
    if COT in pairs.modes:
        keys = pairs.tasks(COT)
        found = _counted(pairs, COT, keys, _revisions)
        if found and (estimate := rate_difference(*found, "tasks")):
            yield _counted_difference("revision", PAIR, found, estimate)
    for name, amount in AMOUNTS.items():
        for mode in pairs.modes:
            found = _counted(pairs, mode, pairs.tasks(mode), partial(_once, amount))
            if not found or not any(x for run in found for x, _ in run):
                continue  # nothing was counted, as by agents without tokens
            if estimate := mean_difference(*found, "tasks"):
                yield _counted_difference(name, mode, found, estimate)


AMOUNTS: Mapping[str, Callable[[Episode], float]] = {
    "steps": lambda episode: len(episode.steps),
    "tokens_in": tokens_in.tokens,
    "tokens_out": tokens_out.tokens,
}


def _once(amount: Callable[[Episode], float], episode: Episode) -> tuple[float, int]:
    return amount(episode), 1


def _revisions(episode: Episode) -> tuple[float, int]:
    """(revised, comparable) states."""
    verdicts = [found for step in episode.steps if (found := revised(step)) is not None]
    return sum(verdicts), len(verdicts)


def _counted(
    pairs: Pairs, mode: str, keys: list[str], count: Callable[[Episode], tuple[float, int]]
) -> tuple[Counted, Counted] | None:
    """What was counted of each task in both runs; None where a run has nothing."""
    runs: list[list[tuple[float, int]]] = []
    for tasks in (pairs.first[mode], pairs.second[mode]):
        counts = [[count(episode) for episode in tasks[key]] for key in keys]
        runs.append([(sum(x for x, _ in task), sum(n for _, n in task)) for task in counts])
    if not all(any(n for _, n in run) for run in runs):
        return None
    return runs[0], runs[1]


def _counted_difference(
    name: str, mode: str, found: tuple[Counted, Counted], estimate: Estimate
) -> Difference:
    metric = get_metric(name)
    first, second = (sum(x for x, _ in run) / sum(n for _, n in run) for run in found)
    return Difference(name, metric.title, mode, metric.unit, first, second, estimate)

"""The gate: is the candidate no worse than the baseline, by more than a margin?

The true difference (candidate − baseline) lies in one of three regions, cut at −margin and at 0,
and two one-sided tests speak about them:

- **no worse**: "the difference is −margin or less" is rejected at the one-sided 5 % level
  (`cotgap.benchmark.stats.noninferiority`, equivalent to its one-sided 95 % bound lying above
  −margin). Asked first: a loss that is certain but smaller than the margin is one that the margin
  allows.
- **worse**: otherwise, "the difference is 0 or more" is rejected: fewer successes with p ≤ 0.05 of
  the exact two-sided test (so at the one-sided 2.5 % level). The candidate has lost something, and
  nothing shows that it is less than the margin. (To ask for a loss that is *shown to be larger*
  than the margin would leave most regressions undecided.) With several gates p is Holm's, so that
  equal candidates are called worse at most once in forty runs, however many gates there are.
- **cannot tell**: neither. It never passes; what it takes is more tasks or a larger margin.

"No worse" and "worse" are in the metric's direction: more steps are worse. Margins and differences
are percentage points of a rate, of a suite's range of scores, or of a ratio; of what has no bound
(steps, tokens) they are per cent of the baseline's own value. The first test is exact where a
metric is a mean over tasks of what is bounded (success, score, the CoT gap); of shares of steps and
of amounts it is Student's t over tasks, and where no task differs from the others the exact test
again, as if a task could differ by the whole range or by the baseline's value.

Several gates pass only if every one of them passes. That is an intersection-union test (Berger
1982, Technometrics 24:295): it is no worse everywhere at the 5 % level without a correction, since
one false gate has to be passed by chance to pass falsely at all.

Incomplete runs never pass: the episodes that lack a score might all have been lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from fractions import Fraction
from math import ceil
from statistics import NormalDist
from typing import Any

from cotgap.benchmark.compare.pairing import Pairs
from cotgap.benchmark.compare.quantities import counts_of, parts_of
from cotgap.benchmark.metrics.core import (
    NEEDS,
    PAIR,
    Counts,
    Metric,
    Part,
    get_metric,
    metrics,
    part_name,
    told,
)
from cotgap.benchmark.metrics.kinds import Number
from cotgap.benchmark.stats import intervals, paired
from cotgap.benchmark.stats.intervals import ALPHA, POWER
from cotgap.benchmark.stats.noninferiority import lower_bound, p_no_worse
from cotgap.benchmark.stats.power import MOST_TASKS, margin_of_tasks, tasks_for_margin
from cotgap.benchmark.stats.trends import holm
from cotgap.envs.core import CoTGapError, UnknownNameError

BOUNDED = ("rate", "points", "score", "ratio")
"""The units whose margins are percentage points; of the others they are a share of the baseline."""


class Verdict(str, Enum):
    """What a gate says; see the module."""

    NO_WORSE = "no worse"
    WORSE = "worse"
    CANNOT_TELL = "cannot tell"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True)
class Gate:
    """One metric on one panel in one mode, and the verdict. Differences are fractions.

    `mode` is a driving mode, or a pair of modes. `higher` says whether more is better, `relative`
    that `margin`, `difference`, `bound` and `resolvable` are shares of the baseline's value.
    `bound` is the one-sided 95 % bound of the difference on the side that is worse, `p_no_worse`
    belongs to "worse by the margin", `p` (two-sided, exact) to "equal". `needed` is how many tasks
    would show "no worse" with 80 % power if the two were equal, `needed_as_seen` if they differ as
    they did here (None: it cannot be shown, or takes more than a million), `resolvable` the
    smallest margin that these tasks show with that power of an equal candidate; all three with as
    many repeats as were played, and only where the verdict is "cannot tell". `difference` and
    `bound` are None where no task (`n` of 0) has a score in both runs.
    """

    panel: str
    metric: str
    title: str
    mode: str
    margin: float
    size: int
    higher: bool
    relative: bool
    verdict: Verdict = Verdict.INCOMPLETE
    difference: float | None = None
    bound: float | None = None
    p_no_worse: float = 1.0
    p: float = 1.0
    n: int = 0
    needed: int | None = None
    needed_as_seen: int | None = None
    resolvable: float | None = None

    @property
    def name(self) -> str:
        """`success[cot]`, or `cot_gap` where it is about the modes of the CoT gap."""
        return self.metric if self.mode == part_name(PAIR) else f"{self.metric}[{self.mode}]"


@dataclass(frozen=True)
class Wanted:
    """A gate as it is asked for: a metric, and one of its modes or pairs of modes (None: all)."""

    metric: str
    mode: str | None = None

    @classmethod
    def parse(cls, text: str) -> Wanted:
        """Read `METRIC` or `METRIC:MODE`.

        Raises `UnknownNameError`, and `CoTGapError` for a metric that cannot gate.
        """
        name, colon, mode = text.partition(":")
        able = [known for known, metric in metrics().items() if not _unable(metric)]
        if name not in metrics():
            raise UnknownNameError("gate", name, able, "A gate is METRIC or METRIC:MODE.")
        if reason := _unable(get_metric(name)):
            raise CoTGapError(f"gate {name!r}: {reason}. Choose one of: {', '.join(able)}")
        return cls(name, mode if colon else None)


def _unable(metric: Metric) -> str:
    """Why no gate can be set on a metric; empty where one can."""
    if metric.direction == "neutral":
        return "neither more nor less of it is better, so that nothing would be worse"
    if isinstance(metric, Number):
        return "a run that holds any is incomplete, and passes no gate anyway"
    return ""


@dataclass(frozen=True)
class Asked:
    """A gate to be judged: a metric and its modes on a panel, and what both runs counted."""

    pairs: Pairs
    metric: Metric
    part: Part
    counts: tuple[Counts, Counts]

    @property
    def told(self) -> bool:
        """Whether both runs have the number."""
        return all(map(told, self.counts))

    @property
    def sign(self) -> int:
        """1 where more is better, else -1."""
        return 1 if self.metric.direction == "higher" else -1

    @property
    def span(self) -> int:
        """How many whole shares two numbers can differ by: a gap goes from -100 to 100 points."""
        return 2 if self.metric.unit == "points" else 1

    def moved(self) -> list[Fraction] | None:
        """By which share of all that it could each task got better; None without `ends`."""
        if self.metric.ends(self.counts[0]) is None:
            return None
        before, after = map(self.metric.shares, self.counts)
        return [self.sign * (b - a) for a, b in zip(before, after, strict=True)]

    def amounts(self) -> list[list[tuple[float, float]]]:
        """Both runs' counts, of which more is better, as shares of what a margin is a share of.

        Raises `CoTGapError` where that is the baseline's own value, and 0.
        """
        whole = 1.0 if self.metric.unit in BOUNDED else self.metric.level(self.counts[0])
        if not whole:
            raise CoTGapError(
                f"gate {self.metric.name!r}: it is 0 in the baseline on {self.pairs.panel.name}, "
                "and its margin is a share of the baseline's value"
            )
        size = self.sign / whole
        return [[(size * float(x), float(n)) for x, n in run.values()] for run in self.counts]


def check_margin(margin: float) -> float:
    """The margin of so many percentage points as a fraction; raises `CoTGapError`."""
    if not 0 < margin < 100:
        raise CoTGapError(
            f"--margin {margin:g}: give percentage points above 0 and below 100. No number of "
            "tasks shows that two agents are exactly equal, so 0 would never pass"
        )
    return margin / 100


def judge(pairs: Sequence[Pairs], wanted: Sequence[Wanted], margin: float) -> list[Gate]:
    """Every wanted gate on every panel; raises `CoTGapError` where there is nothing to judge."""
    asked = _asked(pairs, wanted)
    gates = [_measure(one, margin) for one in asked]
    adjusted = iter(holm([gate.p for gate in gates if gate.n]))
    decided = []
    for gate, one in zip(gates, asked, strict=True):
        p = next(adjusted) if gate.n else 1.0
        verdict, outlook = _verdict(gate, p, complete=one.pairs.complete), {}
        if gate.n and verdict is Verdict.CANNOT_TELL:
            outlook = _outlook(one, gate)
        decided.append(replace(gate, verdict=verdict, **outlook))
    return decided


def overall(gates: Sequence[Gate]) -> Verdict:
    """All must pass. A gate that is worse says so whatever the others lack."""
    verdicts = {gate.verdict for gate in gates}
    for verdict in (Verdict.WORSE, Verdict.INCOMPLETE, Verdict.CANNOT_TELL):
        if verdict in verdicts:
            return verdict
    return Verdict.NO_WORSE


def _asked(pairs: Sequence[Pairs], wanted: Sequence[Wanted]) -> list[Asked]:
    """Every gate once. What has nothing to be judged by is kept where it may still be played."""
    found: dict[tuple[str, str, Part], Asked] = {}
    for one in pairs:
        for gate in wanted:
            metric = get_metric(gate.metric)
            parts = {part_name(part): part for part in parts_of(one, metric)}
            if gate.mode is not None and gate.mode not in parts:
                raise UnknownNameError(f"mode of gate {gate.metric!r}:", gate.mode, parts)
            asked = [
                Asked(one, metric, part, counts_of(one, metric, part))
                for name, part in parts.items()
                if gate.mode in (None, name)
            ]
            kept = [a for a in asked if a.told or not one.complete]
            if not kept:
                raise CoTGapError(f"gate {gate.metric!r}: {_nothing(one, metric)}")
            found.update({(one.panel.name, metric.name, a.part): a for a in kept})
    return list(found.values())


def _nothing(pairs: Pairs, metric: Metric) -> str:
    """Why there is nothing to judge."""
    panel = pairs.panel.name
    if not parts_of(pairs, metric):
        return f"{panel} was not played in both modes in both runs. Play them with --mode both"
    needs = "".join(f". It needs {NEEDS[need]}" for need in metric.needs)
    return f"nothing on {panel} counts for it in both runs{needs}"


def _measure(asked: Asked, margin: float) -> Gate:
    metric, panel = asked.metric, asked.pairs.panel
    gate = Gate(
        panel=panel.name,
        metric=metric.name,
        title=metric.title,
        mode=part_name(asked.part),
        margin=margin,
        size=panel.size,
        higher=metric.direction == "higher",
        relative=metric.unit not in BOUNDED,
    )
    if not asked.told:
        return gate
    if (moved := asked.moved()) is not None:
        value = asked.span * float(sum(moved, Fraction(0)) / len(moved))
        bound, p = asked.span * lower_bound(moved), p_no_worse(moved, margin / asked.span)
        equal: float | None = intervals.sign_flip_p(moved)
    else:
        first, second = asked.amounts()
        if (found := paired.mean_difference(first, second, "tasks")) is None:
            return gate
        value, equal = found.value, found.p
        if (by_t := paired.no_worse(first, second, margin)) is not None:
            bound, p = by_t
        else:
            same = [Fraction(max(-1.0, min(1.0, value))).limit_denominator(10**9)] * len(first)
            bound, p = lower_bound(same), p_no_worse(same, margin)
    return replace(
        gate,
        difference=asked.sign * value,
        bound=asked.sign * bound,
        p_no_worse=p,
        p=1.0 if equal is None else equal,
        n=len(asked.counts[0]),
    )


def _verdict(gate: Gate, p: float, *, complete: bool) -> Verdict:
    if not complete or gate.difference is None:
        return Verdict.INCOMPLETE
    if gate.p_no_worse <= ALPHA:
        return Verdict.NO_WORSE
    worse = gate.difference < 0 if gate.higher else gate.difference > 0
    return Verdict.WORSE if worse and p <= ALPHA else Verdict.CANNOT_TELL


def _outlook(asked: Asked, gate: Gate) -> dict[str, Any]:
    """How many tasks it would take.

    A task's mean square difference is what counts as its discordance: with single trials it is the
    share of tasks that differ. Never less than what equal tasks cannot exclude. By Student's t: as
    many as make the standard error small enough.
    """
    n, moved = gate.n, asked.moved()
    value, bound = (asked.sign * (x or 0.0) for x in (gate.difference, gate.bound))
    if moved is None and (spread := paired.error(*asked.amounts())) is not None:
        power = NormalDist().inv_cdf(POWER) * spread[0]
        size = NormalDist().inv_cdf(1 - ALPHA) * spread[0] + power
        return {
            "needed": _enough(n, size, gate.margin),
            "needed_as_seen": _enough(n, size, gate.margin + min(0.0, value)),
            "resolvable": value - bound + power,
        }
    square = float(sum((d * d for d in moved or ()), Fraction(0))) / n
    discordance = max(square, intervals.wilson(0.0, n)[1])
    seen = min(0.0, float(sum(moved)) / n) if moved else min(0.0, value)
    margin, resolvable = gate.margin / asked.span, margin_of_tasks(n, discordance)
    return {
        "needed": tasks_for_margin(margin, discordance),
        "needed_as_seen": tasks_for_margin(margin, discordance, seen),
        "resolvable": None if resolvable is None else asked.span * resolvable,
    }


def _enough(n: int, size: float, margin: float) -> int | None:
    """How many tasks show a margin where n show `size`; None for more than a million."""
    if margin <= 0 or n * (size / margin) ** 2 > MOST_TASKS:
        return None
    return ceil(n * (size / margin) ** 2)

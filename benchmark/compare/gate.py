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
from typing import Any

from cotgap.benchmark.compare.pairing import Pairs
from cotgap.benchmark.compare.quantities import BOUNDED, Rates, parts_of, task_rates
from cotgap.benchmark.metrics.core import get_metric
from cotgap.benchmark.metrics.summary import PAIR
from cotgap.benchmark.stats import intervals
from cotgap.benchmark.stats.intervals import ALPHA
from cotgap.benchmark.stats.noninferiority import lower_bound, p_no_worse
from cotgap.benchmark.stats.power import margin_of_tasks, tasks_for_margin
from cotgap.benchmark.stats.trends import holm
from cotgap.envs.core import CoTGapError, UnknownNameError


class Verdict(str, Enum):
    """What a gate says; see the module."""

    NO_WORSE = "no worse"
    WORSE = "worse"
    CANNOT_TELL = "cannot tell"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True)
class Gate:
    """One metric on one panel in one mode, and the verdict. Differences are fractions.

    `bound` is the one-sided 95 % lower bound of the difference, `p_no_worse` belongs to "worse by
    the margin", `p` (two-sided, exact) to "equal". `needed` is how many tasks would show "no worse"
    with 80 % power if the two were equal, `needed_as_seen` if they differ as they did here (None:
    it cannot be shown, or takes more than a million), `resolvable` the smallest margin that these
    tasks show with that power of an equal candidate; all three with as many repeats as were played,
    and only where the verdict is "cannot tell". `difference` and `bound` are None where no task
    (`n` of 0) has a score in both runs.
    """

    panel: str
    metric: str
    title: str
    mode: str
    margin: float
    verdict: Verdict
    difference: float | None
    bound: float | None
    p_no_worse: float
    p: float
    n: int
    size: int
    needed: int | None = None
    needed_as_seen: int | None = None
    resolvable: float | None = None

    @property
    def name(self) -> str:
        """`success[cot]`, or `cot_gap` where modes have no part in it."""
        return self.metric if self.mode == PAIR else f"{self.metric}[{self.mode}]"


@dataclass(frozen=True)
class Wanted:
    """A gate as it is asked for: a metric, and one of its modes (None: all)."""

    metric: str
    mode: str | None = None

    @classmethod
    def parse(cls, text: str) -> Wanted:
        """Read `METRIC` or `METRIC:MODE`; raises `UnknownNameError`."""
        metric, colon, mode = text.partition(":")
        if metric not in BOUNDED:
            raise UnknownNameError("gate", metric, BOUNDED, "A gate is METRIC or METRIC:MODE.")
        return cls(metric, mode if colon else None)


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
    gates = [_measure(*found, margin) for found in asked]
    adjusted = iter(holm([gate.p for gate in gates if gate.n]))
    decided = []
    for gate, (one, *_, rates) in zip(gates, asked, strict=True):
        p = next(adjusted) if gate.n else 1.0
        verdict, outlook = _verdict(gate, p, complete=one.complete), {}
        if rates is not None and verdict is Verdict.CANNOT_TELL:
            outlook = _outlook(rates.differences, margin / rates.span, rates.span)
        decided.append(replace(gate, verdict=verdict, **outlook))
    return decided


def overall(gates: Sequence[Gate]) -> Verdict:
    """All must pass. A gate that is worse says so whatever the others lack."""
    verdicts = {gate.verdict for gate in gates}
    for verdict in (Verdict.WORSE, Verdict.INCOMPLETE, Verdict.CANNOT_TELL):
        if verdict in verdicts:
            return verdict
    return Verdict.NO_WORSE


def _asked(
    pairs: Sequence[Pairs], wanted: Sequence[Wanted]
) -> list[tuple[Pairs, str, str, Rates | None]]:
    """(panel, metric, mode, its rates; None where no task has a score yet), each once."""
    found: dict[tuple[str, str, str], tuple[Pairs, str, str, Rates | None]] = {}
    for one in pairs:
        for gate in wanted:
            modes = parts_of(one, gate.metric)
            if gate.mode is not None and gate.mode not in modes:
                raise UnknownNameError(f"mode of gate {gate.metric!r}:", gate.mode, modes)
            for mode in (gate.mode,) if gate.mode else modes:
                rates = task_rates(one, gate.metric, mode)
                if rates is None and one.complete:
                    raise CoTGapError(
                        f"gate {gate.metric!r}: {one.panel.name} was not played in both modes in "
                        "both runs. Play them with --mode both"
                    )
                found[one.panel.name, gate.metric, mode] = (one, gate.metric, mode, rates)
    return list(found.values())


def _measure(pairs: Pairs, metric: str, mode: str, rates: Rates | None, margin: float) -> Gate:
    gate = Gate(
        panel=pairs.panel.name,
        metric=metric,
        title=get_metric(metric).title,
        mode=mode,
        margin=margin,
        verdict=Verdict.INCOMPLETE,
        difference=None,
        bound=None,
        p_no_worse=1.0,
        p=1.0,
        n=0,
        size=pairs.panel.size,
    )
    if rates is None:
        return gate
    moved = rates.differences
    mean = sum(moved, Fraction(0)) / len(moved)
    return replace(
        gate,
        difference=rates.span * float(mean),
        bound=rates.span * lower_bound(moved),
        p_no_worse=p_no_worse(moved, margin / rates.span),
        p=intervals.sign_flip_p(moved),
        n=len(moved),
    )


def _verdict(gate: Gate, p: float, *, complete: bool) -> Verdict:
    if not complete or gate.difference is None:
        return Verdict.INCOMPLETE
    if gate.p_no_worse <= ALPHA:
        return Verdict.NO_WORSE
    return Verdict.WORSE if gate.difference < 0 and p <= ALPHA else Verdict.CANNOT_TELL


def _outlook(moved: Sequence[Fraction], margin: float, span: int) -> dict[str, Any]:
    """How many tasks it would take. A task's mean square difference is what counts as its
    discordance: with single trials it is the share of tasks that differ. Never less than what equal
    tasks cannot exclude."""
    n = len(moved)
    square = float(sum((d * d for d in moved), Fraction(0))) / n
    discordance = max(square, intervals.wilson(0.0, n)[1])
    seen = min(0.0, float(sum(moved)) / n)
    resolvable = margin_of_tasks(n, discordance)
    return {
        "needed": tasks_for_margin(margin, discordance),
        "needed_as_seen": tasks_for_margin(margin, discordance, seen),
        "resolvable": None if resolvable is None else span * resolvable,
    }

"""How often our intervals hold the truth, beside a cluster bootstrap's.

Each line is one kind of estimate at one number of tasks: the least, the 10 % quantile and the mean
of the coverage over its scenarios, the mean of their median widths, and the scenario with the
least coverage. The tests run the same with fewer simulations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, partial
from statistics import NormalDist
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from cotgap.benchmark.stats import intervals, paired
from tools.cli import run

app = typer.Typer(add_completion=False)
Floats = NDArray[np.float64]
Interval = tuple[float, float]
TASKS = (4, 10, 20, 50, 140)
RESAMPLES = 1000


@dataclass(frozen=True)
class Scenario:
    """A population of tasks: `draw` gives one row per task, `truth` the value of such rows."""

    name: str
    draw: Callable[[int, np.random.Generator], Floats]
    truth: Callable[[Floats], float]

    @cache  # noqa: B019 - a handful of scenarios, alive as long as the program
    def true_value(self) -> float:
        """The true value, from a large sample."""
        return self.truth(self.draw(300_000, np.random.default_rng(1)))


def ratio(rows: Floats) -> float:
    """Sum of the first column over sum of the second."""
    return float(rows[:, 0].sum() / rows[:, 1].sum())


def difference(rows: Floats) -> float:
    """Mean of the second column less the first."""
    return float((rows[:, 1] - rows[:, 0]).mean())


def gain(rows: Floats) -> float:
    """Mean difference over the room that the first column leaves; NaN without any."""
    room = (1 - rows[:, 0]).sum()
    return difference(rows) * len(rows) / room if room else float("nan")


# Rates: each task has its own rate, beta-distributed with an intra-class correlation.


def trials(
    lengths: str, mean: float, correlation: float, k: int, rng: np.random.Generator
) -> Floats:
    """(successes, trials) of k tasks."""
    weight = 1 / correlation - 1
    p = rng.beta(mean * weight, (1 - mean) * weight, k)
    if lengths == "own":  # as many steps as it happens to take
        n = rng.integers(3, 51, k)
    elif lengths == "cut":  # tasks with a high rate end early, the others at the step limit
        n = np.where(rng.random(k) < p, rng.integers(3, 15, k), 50)
    else:  # repeats
        n = np.full(k, int(lengths))
    return np.stack([rng.binomial(n, p), n], axis=1).astype(float)


def rate_scenarios(lengths: str) -> list[Scenario]:
    """Rates from rare to frequent, alike or different between tasks."""
    return [
        Scenario(f"{lengths} {mean} {rho}", partial(trials, lengths, mean, rho), ratio)
        for mean in (0.01, 0.03, 0.1, 0.3, 0.6, 0.95)
        for rho in (0.02, 0.05, 0.3, 0.7)
    ]


# Pairs: the success rates of both modes on k tasks, over `repeats` trials each.


def pairs(kind: str, repeats: int, k: int, rng: np.random.Generator) -> Floats:
    """(rate in prompt mode, rate in CoT mode) of k tasks, over `repeats` trials each."""
    p = rng.beta(0.5, 0.5, k)
    if kind == "equal":  # the same rates, all tasks different
        q = p
    elif kind == "better":
        q = p + 0.4 * (1 - p)
    elif kind == "rare":  # hardly any success
        p, q = rng.beta(0.1, 3, k), rng.beta(0.3, 3, k)
    elif kind == "unrelated":
        q = rng.beta(0.5, 0.5, k)
    elif kind == "some":  # one task in five becomes possible
        p, q = np.zeros(k), np.where(rng.random(k) < 0.2, 0.7, 0.0)
    elif kind == "easy":
        p = rng.beta(3, 0.5, k)
        q = p + 0.5 * (1 - p)
    else:  # "odd": decided tasks, a few of which flip
        p = np.round(p)
        q = np.where(rng.random(k) < 0.03, 1 - p, p)
    return np.stack([rng.binomial(repeats, p), rng.binomial(repeats, q)], axis=1) / repeats


def pair_scenarios(repeats: int, truth: Callable[[Floats], float]) -> list[Scenario]:
    """Pairs of modes that are equal, better, rare, unrelated, …"""
    kinds = ("equal", "better", "rare", "unrelated", "some", "easy", "odd")
    return [Scenario(f"{kind} x{repeats}", partial(pairs, kind, repeats), truth) for kind in kinds]


# Two runs over the same tasks, as `cotgap compare` sees them: columns of the first, the second.


def share_difference(rows: Floats) -> float:
    """The second run's ratio less the first one's."""
    return ratio(rows[:, 2:]) - ratio(rows[:, :2])


def runs_of_states(
    mean: float, correlation: float, shift: float, alike: float, k: int, rng: np.random.Generator
) -> Floats:
    """(revised, comparable) states of both runs; a share `alike` of tasks keeps its rate."""
    weight = 1 / correlation - 1
    p, other = rng.beta(mean * weight, (1 - mean) * weight, (2, k))
    q = np.where(rng.random(k) < alike, p, other)
    n, m = rng.integers(3, 51, (2, k))
    q = q + shift * (1 - q)
    return np.stack([rng.binomial(n, p), n, rng.binomial(m, q), m], axis=1).astype(float)


def runs_of_amounts(kind: str, alike: float, k: int, rng: np.random.Generator) -> Floats:
    """(amount, 1) of both runs; a share `alike` of tasks has a tenth more in the second run."""
    first, other = amounts(kind, k, rng), amounts(kind, k, rng)
    same = (rng.random(k) < alike)[:, None]
    return np.hstack([first, np.where(same, first * (1.1, 1), other)])


def runs_of_gaps(repeats: int, alike: float, k: int, rng: np.random.Generator) -> Floats:
    """The CoT gap of both runs, moved into [0, 1] as `cotgap.benchmark.compare` does."""
    first, other = rng.beta(0.5, 0.5, (2, 2, k))
    second = np.where(rng.random(k) < alike, first, other)
    gaps = [np.diff(rng.binomial(repeats, rates) / repeats, axis=0)[0] for rates in (first, second)]
    return (1 + np.stack(gaps, axis=1)) / 2


def gap_runs_scenarios() -> list[Scenario]:
    """CoT gaps of two runs."""
    return [
        Scenario(f"x{repeats} {alike}", partial(runs_of_gaps, repeats, alike), difference)
        for repeats in (1, 3)
        for alike in (0.0, 0.5, 1.0)
    ]


def runs_scenarios() -> list[Scenario]:
    """Shares of states of two runs."""
    return [
        Scenario(
            f"{mean} {rho} {shift} {alike}",
            partial(runs_of_states, mean, rho, shift, alike),
            share_difference,
        )
        for mean in (0.03, 0.1, 0.4)
        for rho in (0.05, 0.3)
        for shift in (0.0, 0.2)
        for alike in (0.0, 0.8)
    ]


def amount_runs_scenarios() -> list[Scenario]:
    """Amounts of two runs."""
    kinds = ("steps", "tokens", "score")
    return [
        Scenario(f"{kind} {alike}", partial(runs_of_amounts, kind, alike), share_difference)
        for kind in kinds
        for alike in (0.0, 0.8)
    ]


# Means: one quantity per task.


def amounts(kind: str, k: int, rng: np.random.Generator) -> Floats:
    """(amount, 1) of k tasks."""
    if kind == "steps":
        x = np.where(rng.random(k) < 0.4, rng.integers(4, 25, k), 50)
    elif kind == "tokens":
        x = np.where(rng.random(k) < 0.4, rng.integers(4, 25, k), 50) * np.exp(
            rng.normal(4, 0.4, k)
        )
    elif kind == "log-normal":
        x = np.exp(rng.normal(7, 0.7, k))
    else:  # "score"
        x = rng.choice([0.0, 0.25, 0.5, 1.0], k, p=[0.5, 0.2, 0.1, 0.2])
    return np.stack([x, np.ones(k)], axis=1).astype(float)


def mean_scenarios() -> list[Scenario]:
    """Amounts of one run."""
    kinds = ("steps", "tokens", "log-normal", "score")
    return [Scenario(kind, partial(amounts, kind), ratio) for kind in kinds]


# Ours.


def ends(estimate: intervals.Estimate) -> Interval:
    """The bounds, infinite where there is none."""
    low = -np.inf if estimate.low is None else estimate.low
    return low, np.inf if estimate.high is None else estimate.high


def our_rate(rows: Floats) -> Interval:
    """The interval of a rate."""
    return ends(intervals.rate(list(rows[:, 0]), [int(n) for n in rows[:, 1]], "states"))


def our_mean(rows: Floats) -> Interval:
    """The interval of a mean."""
    return ends(intervals.mean(list(rows[:, 0]), [int(n) for n in rows[:, 1]], "episodes"))


def fractions(column: Floats) -> list[Fraction]:
    """Rates as exact fractions."""
    return [Fraction(round(60 * float(x)), 60) for x in column]  # 1, 3 or 5 repeats


def our_difference(rows: Floats) -> Interval:
    """The interval of a difference of modes."""
    return intervals.bonett_price(fractions(rows[:, 1] - rows[:, 0]))


def our_runs(rows: Floats) -> Interval | None:
    """The interval of a difference of runs; None where there is no standard error."""
    first, second = ([(x, int(n)) for x, n in side] for side in (rows[:, :2], rows[:, 2:]))
    if (error := paired.error(first, second)) is None:
        return (
            None  # `rate_difference` has another interval then, `mean_difference` says it has none
        )
    half = error[0] * intervals.student(error[1])
    return share_difference(rows) - half, share_difference(rows) + half


def our_gain(rows: Floats) -> Interval | None:
    """The interval of a relative gain; None where it is not defined."""
    estimate = intervals.relative_gain(fractions(rows[:, 0]), fractions(rows[:, 1]), "tasks")
    return None if estimate is None else ends(estimate)


# The bootstrap over tasks, percentile and BCa, as it is commonly used.


def bootstrap(
    value: Callable[[Floats], float], rows: Floats, rng: np.random.Generator
) -> list[Interval]:
    """The percentile and the BCa interval of a value."""
    k = len(rows)
    picks = rng.integers(k, size=(RESAMPLES, k))
    first, second = rows[:, 0][picks].sum(axis=1), rows[:, 1][picks].sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        if value is ratio:
            drawn = first / second
        elif value is difference:
            drawn = (second - first) / k
        else:
            assert value is gain
            drawn = np.nan_to_num((second - first) / (k - first), nan=1.0, neginf=-1e9)
    seen = value(rows)
    normal = NormalDist()
    below = ((drawn < seen).mean() + (drawn <= seen).mean()) / 2
    bias = normal.inv_cdf(min(max(below, 1e-3), 1 - 1e-3))
    without = np.array([value(np.delete(rows, i, axis=0)) for i in range(k)])
    pull = without.mean() - without
    spread = (pull**2).sum()
    skew = (pull**3).sum() / (6 * spread**1.5) if spread > 0 else 0.0
    shifted = [bias + sign * intervals.Z for sign in (-1, 1)]
    corrected = [normal.cdf(bias + z / (1 - skew * z)) for z in shifted]
    return [
        (float(np.quantile(drawn, low)), float(np.quantile(drawn, high)))
        for low, high in ((0.025, 0.975), (corrected[0], corrected[1]))
    ]


@dataclass(frozen=True)
class Family:
    """Scenarios that one function serves."""

    name: str
    scenarios: list[Scenario]
    interval: Callable[[Floats], Interval | None]
    limits: Interval = (0.0, 1.0)
    relative: bool = False
    """Whether widths are given relative to the truth."""


def families() -> list[Family]:
    """All kinds of estimates with their scenarios."""
    return [
        *(Family(f"rate, {n} per task", rate_scenarios(n), our_rate) for n in ("1", "3", "own")),
        Family("rate, cut short", rate_scenarios("cut"), our_rate),
        *(
            Family(f"gap, {n} repeats", pair_scenarios(n, difference), our_difference, (-1, 1))
            for n in (1, 3, 5)
        ),
        *(
            Family(f"headroom, {n} repeats", pair_scenarios(n, gain), our_gain, (-5, 1))
            for n in (1, 3, 5)
        ),
        Family("mean", mean_scenarios(), our_mean, (0, np.inf), relative=True),
        Family("two runs, gaps", gap_runs_scenarios(), our_difference, (-1, 1)),
        Family("two runs, rates", runs_scenarios(), our_runs, (-1, 1)),
        Family("two runs, means", amount_runs_scenarios(), our_runs, (-np.inf, np.inf)),
    ]


def coverage(
    family: Family, scenario: Scenario, k: int, simulations: int, *, rivals: bool = False
) -> Floats:
    """(coverage, median width) of our interval, and with `rivals` of the bootstraps: a row each."""
    rng = np.random.default_rng(k)
    truth = scenario.true_value()
    bounds = []
    for _ in range(simulations):
        rows = scenario.draw(k, rng)
        ours = family.interval(rows)
        if ours is not None:
            known = rivals and scenario.truth is not share_difference
            others = bootstrap(scenario.truth, rows, rng) if known else []
            # Where all tasks agree a bootstrap has no width at all: it is given ours.
            bounds.append([ours, *(ours if low == high else (low, high) for low, high in others)])
    low, high = np.moveaxis(np.array(bounds), -1, 0)
    hits = ((low - 1e-9 <= truth) & (truth <= high + 1e-9)).mean(axis=0)
    widths = np.minimum(high, family.limits[1]) - np.maximum(low, family.limits[0])
    scale = truth if family.relative else 1.0
    return np.stack([hits, np.median(widths, axis=0) / scale], axis=1)


@app.command(epilog="Example: `python -m tools.simulations.intervals --simulations 200 --only gap`")
def main(
    simulations: Annotated[int, typer.Option(help="Of each scenario.", min=1)] = 1000,
    only: Annotated[str, typer.Option(help="Only families whose name starts so.")] = "",
    rivals: Annotated[
        bool, typer.Option("--bootstrap", help="Beside the bootstrap over tasks (slow).")
    ] = False,
) -> None:
    """Print how often our intervals hold the truth, and how wide they are."""
    for family in families():
        if not family.name.startswith(only):
            continue
        print(f"\n{family.name}", flush=True)
        for k in TASKS:
            table = np.array(
                [
                    coverage(family, scenario, k, simulations, rivals=rivals)
                    for scenario in family.scenarios
                ]
            )
            for i, method in enumerate(("ours", "percentile", "BCa")[: table.shape[1]]):
                hits, widths = table[:, i, 0], table[:, i, 1]
                worst = family.scenarios[int(hits.argmin())].name
                print(
                    f"  {k:4d} tasks  {method:10s} least {hits.min():.3f}  10 % "
                    f"{np.quantile(hits, 0.1):.3f}  mean {hits.mean():.3f}  "
                    f"width {widths.mean():.3f}  ({worst})",
                    flush=True,
                )


if __name__ == "__main__":
    run(app)

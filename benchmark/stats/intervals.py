"""Intervals, paired tests and detectable effects, for few tasks as for many.

Every function here counts by task, because a task's repeats and steps are not independent (Miller,
arXiv:2411.00640), and its intervals are checked down to 4 tasks, where the central limit theorem
is no help (Bowyer et al., arXiv:2503.01747: nor is it at a few hundred). They are closed forms: no
seed, the same on every machine, whatever the order of the tasks. A cluster bootstrap was
measured too and left out: with 20 tasks its 95 % intervals (percentile or BCa) hold the truth in 87
to 91 % of samples, on average over scenarios of rates and gaps, and these in 97 %.
`python -m tools.simulations.intervals --bootstrap` prints both.

Three ideas serve all of them:

- *Effective size*: as many independent trials as would give a rate the variance it has between
  tasks; Wilson's interval then takes that size (Korn & Graubard 1998, Survey Methodology 24).
- *Effective tasks*: how many tasks the variance rests on, (Σr²)² / Σr⁴ over their residuals r.
  One less is the degrees of freedom of Student's t. Two odd tasks among fifty are two, not fifty.
- *Two imaginary tasks*, one in each direction, keep an interval from closing where all the tasks
  agree (Bonett & Price 2012, J. Educ. Behav. Stat. 37).

scipy is imported by the functions that use it: its import takes longer than `--help` may.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import comb, floor, lcm, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

ALPHA = 0.05  # of every interval (two-sided) and test
POWER = 0.8  # of every minimum detectable effect
Z = NormalDist().inv_cdf(1 - ALPHA / 2)
NEGLIGIBLE = 1e-12  # chance of a number of tasks that differ
# The exact sign-flip distribution is kept on at most about this many points.
LATTICE = 100_000

Floats = NDArray[np.float64]
Bounds = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and how sure it is; rates and differences are fractions, not percentages.

    `low` and `high` bound the 95 % interval that `method` names. None: there is no bound on that
    side, because the data cannot give one (a mean over one task, or over tasks that are all equal;
    a ratio whose denominator may be zero). `n` says how many `unit` were counted, `clusters` how
    many tasks they came from where those differ. `p` is a two-sided test of no difference. `mde`
    is the minimum detectable effect with 80 % power at the 5 % level: `rate` and
    `paired_difference` say of what; None where nothing can be detected. `counts` holds
    whole numbers that say more of `n`.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    unit: str
    method: str
    clusters: int | None = None
    p: float | None = None
    mde: float | None = None
    counts: Mapping[str, int] = field(default_factory=dict)


def rate(successes: Sequence[float], totals: Sequence[int], unit: str) -> Estimate:
    """The share Σsuccesses / Σtotals over tasks, one entry each, with 0 ≤ successes ≤ totals.

    One trial per task: Wilson's interval (1927; recommended for small n by Newcombe 1998,
    Stat. Med. 17:857), which covers 95 % on average and at single rates near 0 or 1 as little as
    83 %. Several: Wilson's interval at the effective size and effective tasks (see the module); it
    equals the interval over whole tasks where each task is all or nothing. It covers 93 % or more
    except where a few tasks hold nearly all trials that fail (at worst 85 %). `mde` is `rate_mde`
    at the effective size. Raises `ValueError` without a trial.
    """
    s, t = _arrays(successes, totals)
    if (s < 0).any() or (s > t).any():
        raise ValueError("successes must lie between 0 and their total")
    n = int(t.sum())
    value = float(s.sum() / n)
    single = bool((t == 1).all())
    if single:
        size, (low, high) = float(n), wilson(value, n)
    else:
        size, (low, high) = _clustered_wilson(value, s, t)
    return Estimate(
        value=value,
        low=min(low, value),
        high=max(high, value),
        n=n,
        unit=unit,
        method="Wilson" if single else "Wilson, clustered by task",
        clusters=None if single else len(t),
        mde=rate_mde(value, size),
    )


def wilson(value: float, size: float, quantile: float = Z) -> Bounds:
    """Wilson's score interval for a rate seen in `size` > 0 trials (which need not be whole)."""
    shrink = 1 + quantile**2 / size
    centre = (value + quantile**2 / (2 * size)) / shrink
    half = quantile / shrink * sqrt(value * (1 - value) / size + (quantile / (2 * size)) ** 2)
    return max(0.0, centre - half), min(1.0, centre + half)


def mean(
    sums: Sequence[float], totals: Sequence[int], unit: str, least: float = float("-inf")
) -> Estimate:
    """The mean Σsums / Σtotals of a quantity that is never below `least`, over tasks.

    Student's t on the residuals of the ratio, with as many degrees of freedom as effective tasks
    less one. No interval can allow for what no task has shown: where one episode in twenty is
    several times as long, a third of all samples of 20 tasks holds none of them. Raises
    `ValueError` without a trial.
    """
    s, t = _arrays(sums, totals)
    n, k = int(t.sum()), len(t)
    value = float(s.sum() / n)
    residuals = s - value * t
    spread = float((residuals**2).sum())
    low = high = None
    if k > 1 and not _negligible(spread, s):
        half = student(effective_tasks(residuals) - 1) * sqrt(spread * k / (k - 1)) / n
        low, high = max(value - half, least), value + half
    return Estimate(
        value=value,
        low=low,
        high=high,
        n=n,
        unit=unit,
        method="none" if low is None else "t" if n == k else "t, clustered by task",
        clusters=None if n == k else k,
    )


def paired_difference(first: Sequence[Fraction], second: Sequence[Fraction], unit: str) -> Estimate:
    """Mean of `second` − `first`, two rates of each task, in fractions.

    The interval is `bonett_price`, `p` is `sign_flip_p`, `mde` is `paired_mde`, and `counts` says
    in how many tasks `second` was higher, lower, equal. Raises `ValueError` without a task.
    """
    differences = [b - a for a, b in zip(first, second, strict=True)]
    if not differences:
        raise ValueError("no task to compare")
    n, value = len(differences), float(sum(differences) / len(differences))
    low, high = bonett_price(differences)
    equal = differences.count(Fraction(0))
    higher = sum(d > 0 for d in differences)
    return Estimate(
        value=value,
        low=min(low, value),
        high=max(high, value),
        n=n,
        unit=unit,
        method="Bonett-Price",
        p=sign_flip_p(differences),
        mde=paired_mde(n, 1 - equal / n, _typical(differences)),
        counts={"higher": higher, "lower": n - higher - equal, "equal": equal},
    )


def independent_difference(first: Estimate, second: Estimate) -> Estimate:
    """`second` - `first`, two estimates over different tasks.

    The interval is Newcombe's hybrid (1998, Stat. Med. 17:873, method 10), which Zou & Donner
    (2008, Stat. Med. 27) carry over to any two estimates with intervals of their own; a side on
    which either has no bound has none. `n` is that of both together. `mde` takes the standard error
    from the intervals' mean half-widths.
    """
    value = second.value - first.value
    low = high = mde = None
    if second.low is not None and first.high is not None:
        low = value - sqrt((second.value - second.low) ** 2 + (first.high - first.value) ** 2)
    if second.high is not None and first.low is not None:
        high = value + sqrt((second.high - second.value) ** 2 + (first.value - first.low) ** 2)
    if low is not None and high is not None:
        mde = (Z + NormalDist().inv_cdf(POWER)) * (high - low) / (2 * Z)
    return Estimate(
        value=value,
        low=low,
        high=high,
        n=first.n + second.n,
        unit=first.unit,
        method="Newcombe hybrid",
        mde=mde,
    )


def independent_ratio(first: Estimate, second: Estimate) -> Estimate | None:
    """`second` / `first`, two estimates over different tasks that are never negative.

    None where `first` is 0. The interval is MOVER-R (Donner & Zou 2012, Stat. Methods Med. Res. 21;
    Newcombe 2016, ibid. 25), made of the two estimates' own intervals, as `independent_difference`
    is; `high` is None where the data allow that `first` is 0. Of two rates with Wilson's intervals,
    with 10 tasks or more on each side and rates of 10 % or more, it covers at least 93 %, for rarer
    successes at least 91 %, from 4 tasks on at least 88 %, and 95 % on average. `n` is that of both
    together.
    """
    a, b = second.value, first.value
    if not b:
        return None
    low = high = None
    if second.low is not None and first.high is not None:
        low = _mover_low(a, second.low, b, first.high)
    if second.high is not None and first.low is not None:
        high = _mover_high(a, second.high, b, first.low)
    return Estimate(
        value=a / b,
        low=None if low is None else min(max(low, 0.0), a / b),
        high=None if high is None else max(high, a / b),
        n=first.n + second.n,
        unit=first.unit,
        method="MOVER-R",
    )


def bonett_price(differences: Sequence[Fraction]) -> Bounds:
    """Adjusted Wald interval for a mean paired difference (Bonett & Price 2012).

    One of the three that Fagerland et al. (2014, Stat. Med. 33:2850) recommend for paired
    proportions; unlike Newcombe's (1998, Stat. Med. 17:2635) it covers at least 92 % at any n ≥ 4.
    With repeats, its two imaginary tasks differ by as much as a differing task typically does.
    """
    n, size = len(differences) + 2, _typical(differences)
    centre = float(sum(differences)) / n
    squares = float(sum(d * d for d in differences)) + 2 * size**2
    half = Z * sqrt((squares / n - centre**2) / n)
    return max(-1.0, centre - half), min(1.0, centre + half)


def relative_gain(
    first: Sequence[Fraction], second: Sequence[Fraction], unit: str
) -> Estimate | None:
    """How much of the room above `first` `second` gains: Σ(second − first) / Σ(1 − first).

    At most 1, and negative where `second` is worse. None where there is no room. Interval:
    Fieller's (1954, J. R. Stat. Soc. B 16) for the ratio of the two mean failure rates, with the
    imaginary tasks of `paired_difference`. `low` is None where the data allow that `first` leaves
    no room. Raises `ValueError` without a task.
    """
    pairs = sorted((1 - a, 1 - b) for a, b in zip(first, second, strict=True))
    if not pairs:
        raise ValueError("no task to compare")
    room = sum(a for a, _ in pairs)
    if not room:
        return None
    failures = np.array([(float(a), float(b)) for a, b in pairs])
    size = _typical([a - b for a, b in pairs])
    before, after = np.vstack([failures, (size, 0.0), (0.0, size)]).T
    n = len(before)
    spread = np.cov(before, after, bias=True) / n
    # The interval for ratio = after / before holds all with a·ratio² − 2·b·ratio + c ≤ 0.
    a = float(before.mean() ** 2 - Z**2 * spread[0, 0])
    b = float(before.mean() * after.mean() - Z**2 * spread[0, 1])
    c = float(after.mean() ** 2 - Z**2 * spread[1, 1])
    root = b + sqrt(max(b * b - a * c, 0.0))
    value = float(1 - sum(second for _, second in pairs) / room)
    return Estimate(
        value=value,
        low=min(1 - root / a, value) if a > 0 else None,
        high=max(1 - c / root, value) if c > 0 else 1.0,
        n=len(pairs),
        unit=unit,
        method="Fieller",
    )


def sign_flip_p(differences: Sequence[Fraction]) -> float:
    """Two-sided p of "no difference": each task's difference could as well have the other sign.

    Exact (Fisher's randomisation test, with all 2ⁿ sign patterns by convolution). With one trial
    per task and side this is the exact McNemar test, which Dietterich (1998, Neural Comput. 10)
    recommends for two systems on the same items. Differences with a common denominator above
    `LATTICE` / n (many unequal repeats) are rounded to that grid.
    """
    moved = [d for d in differences if d]
    if not moved:
        return 1.0
    scale = min(lcm(*(d.denominator for d in moved)), max(1, LATTICE // len(moved)))
    rounded = [round(d * scale) for d in moved]
    seen = abs(sum(rounded))  # on the same grid, or no pattern might reach it
    chance = np.ones(1)  # of each sum of the steps whose sign is +
    for step in sorted(map(abs, rounded)):
        chance = np.append(chance, np.zeros(step)) + np.append(np.zeros(step), chance)
        chance /= 2
    total = len(chance) - 1
    return min(1.0, float(chance[np.abs(2 * np.arange(total + 1) - total) >= seen].sum()))


def pass_hat_k(successes: int, repeats: int, k: int) -> Fraction:
    """Chance that k repeats drawn from a task's `repeats` all succeed.

    C(successes, k) / C(repeats, k), τ-bench's unbiased estimator of pass^k for one task
    (arXiv:2406.12045). Raises `ValueError` unless 1 ≤ k ≤ repeats and 0 ≤ successes ≤ repeats.
    """
    if not (1 <= k <= repeats and 0 <= successes <= repeats):
        raise ValueError(f"pass^{k} of {successes} successes in {repeats} repeats is not defined")
    return Fraction(comb(successes, k), comb(repeats, k))


def paired_mde(n: int, discordance: float, size: float = 1.0) -> float | None:
    """Smallest true difference that `sign_flip_p` finds in n tasks with 80 % power.

    `discordance` is the share of tasks that differ, `size` by how much a differing task typically
    does (1 with one trial per task and side). The power is that of the exact McNemar test with a
    binomial number of differing tasks, (discordance + effect) / 2 of them upwards (Connor 1987,
    Biometrics 43, without his normal approximation). The discordance is taken to be at least what
    n equal tasks cannot exclude (Wilson's upper bound of 0 in n), and at least the effect itself.
    None where not even a difference in every task would be found (n < 6).
    """
    least = max(discordance, wilson(0.0, n)[1])
    found = _smallest(lambda effect: mcnemar_power(effect, max(least, effect), n))
    return None if found is None else found * size


def rate_mde(value: float, size: float) -> float | None:
    """Smallest distance from a fixed reference rate near `value` that `size` trials would show.

    With 80 % power, "show" meaning that Wilson's interval excludes the reference, which is put at
    Wilson's centre because a rate of 0 or 1 is never certain. Upwards or downwards, whichever is
    larger, of those that can be shown at all; None where neither can.
    """
    from scipy.special import betaincinv

    n = max(1, floor(size))
    reference = (value * n + Z**2 / 2) / (n + Z**2)
    found = []
    for p in (reference, 1 - reference):
        critical = floor(n * p + Z * sqrt(n * p * (1 - p))) + 1
        if critical <= n:
            # The rate with which `critical` or more of n trials succeed 80 % of the time.
            found.append(float(betaincinv(critical, n - critical + 1, POWER)) - p)
    return max(found, default=None)


def _mover_low(a: float, low: float, b: float, high: float) -> float:
    """The lower bound of a / b, where a is at least `low` and b at most `high`.

    Written so that it does not divide by what vanishes where `high` is 2b.
    """
    top, bottom = low * (2 * a - low), high * (2 * b - high)
    return top / (a * b + sqrt(max((a * b) ** 2 - top * bottom, 0.0))) if a else 0.0


def _mover_high(a: float, high: float, b: float, low: float) -> float | None:
    """The upper bound of a / b, where a is at most `high`, b at least `low`; None if b may be 0."""
    top, bottom = high * (2 * a - high), low * (2 * b - low)
    return (a * b + sqrt(max((a * b) ** 2 - top * bottom, 0.0))) / bottom if bottom > 0 else None


def mcnemar_power(effect: float, discordance: float, n: int) -> float:
    """Chance that the exact McNemar test finds a difference of `effect` in n tasks.

    `discordance` ≥ `effect` is the chance that a task differs. With a binomial number of differing
    tasks (Connor 1987, Biometrics 43).
    """
    from scipy.special import bdtr, bdtrik, gammaln, xlog1py, xlogy  # scipy.stats takes a second

    share = min(1.0, discordance)
    moved = np.arange(n + 1)
    ways = gammaln(n + 1) - gammaln(moved + 1) - gammaln(n - moved + 1)
    chances = np.exp(ways + xlogy(moved, share) + xlog1py(n - moved, -share))
    matters = chances > NEGLIGIBLE
    moved, chances = moved[matters], chances[matters]
    upwards = min(1.0, (discordance + effect) / (2 * discordance))
    # The largest count on the rarer side that still rejects, -1 where none does.
    critical = np.floor(np.nan_to_num(bdtrik(ALPHA / 2, moved, 0.5)))
    critical = np.where(bdtr(critical, moved, 0.5) > ALPHA / 2, critical - 1, critical)
    rejects = bdtr(critical, moved, upwards) + bdtr(critical, moved, 1 - upwards)
    return float((chances * np.where(critical < 0, 0.0, rejects)).sum())


def effective_tasks(residuals: Floats) -> float:
    """How many tasks a variance rests on: how many equal residuals have the same kurtosis."""
    squares = residuals**2
    return float(squares.sum() ** 2 / (squares**2).sum())


def student(freedom: float) -> float:
    """Student's two-sided quantile; less than one degree of freedom counts as one."""
    from scipy.special import stdtrit

    return float(stdtrit(max(freedom, 1.0), 1 - ALPHA / 2))


def _arrays(sums: Sequence[float], totals: Sequence[int]) -> tuple[Floats, Floats]:
    """Both as arrays in a canonical order, without tasks that have no trial."""
    kept = sorted((t, s) for s, t in zip(sums, totals, strict=True) if t)
    if not kept:
        raise ValueError("no trial to count")
    if kept[0][0] < 0:
        raise ValueError("totals must not be negative")
    t, s = np.array(kept, dtype=np.float64).T
    return s, t


def _clustered_wilson(value: float, s: Floats, t: Floats) -> tuple[float, Bounds]:
    """(effective size, interval) of a rate whose trials come in tasks."""
    residuals = s - value * t
    spread = float((residuals**2).sum())
    n, k = float(t.sum()), len(t)
    whole = n**2 / float((t**2).sum())  # the size if each task were one trial (Kish 1965)
    if _negligible(spread, s):
        return whole, wilson(value, whole)
    size = min(value * (1 - value) * n**2 / spread, n)
    if size < whole * (1 - 1e-9):  # tasks with another rate are also longer: even less certain
        return size, wilson(value, size, student(k - 1))
    lumps = effective_tasks(residuals)
    if lumps < 2:  # one odd task says nothing of the variance between tasks
        return whole, wilson(value, whole)
    (low, high), (least, most) = wilson(value, size, student(lumps - 1)), wilson(value, whole)
    return size, (max(low, least), min(high, most))


def _negligible(spread: float, sums: Floats) -> bool:
    """Whether a sum of squared residuals is rounding and no more."""
    return spread <= 1e-18 * float((sums**2).sum())


def _typical(differences: Sequence[Fraction]) -> float:
    """Root mean square of the differences that are not 0, and of one imaginary 1."""
    moved = [d for d in differences if d]
    return sqrt(float(sum(d * d for d in moved) + 1) / (len(moved) + 1))


def _smallest(power: Callable[[float], float]) -> float | None:
    """The effect in (0, 1] at which an increasing power reaches `POWER`, if any does."""
    from scipy.optimize import brentq

    if power(1.0) < POWER:
        return None
    solve: Callable[..., float] = brentq
    return float(solve(lambda effect: power(effect) - POWER, 1e-9, 1.0, xtol=1e-6))

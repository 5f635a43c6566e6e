"""How many tasks a question needs, and what a number of tasks can answer: power, before playing.

Two questions: is there a difference of this size (exact McNemar test), and is a candidate no worse
by more than this margin, if it is in truth as good (`cotgap.benchmark.stats.noninferiority`)? Both
depend on the *discordance*: the share of tasks whose outcome differs between two runs of one trial
each.

With R repeats, only the part of the discordance that is luck averages out (tasks that one of two
agents can solve and the other cannot differ in every repeat). Of a discordance d with luck share w,
n tasks are then worth n / (1 − w + w / R) tasks of one trial.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, floor
from statistics import NormalDist

import numpy as np

from cotgap.benchmark.stats.intervals import ALPHA, POWER, mcnemar_power, paired_mde
from cotgap.benchmark.stats.noninferiority import chance, critical_losses

GRID = (0.1, 0.2, 0.3, 0.4)  # discordances, where nothing is known
MOST_TASKS = 1_000_000
SMALLEST_MARGIN, MARGIN_STEP = 0.002, 0.001


@dataclass(frozen=True)
class Assumption:
    """What two runs are taken to differ in: a share of tasks, of which the share `luck` is luck.

    `luck` None: not known; repeats may then help not at all or as much as more tasks.
    """

    name: str
    discordance: float
    luck: float | None = None

    def worth(self, repeats: int) -> tuple[float, float]:
        """How many tasks of one trial a task of `repeats` is worth: at least, at most."""
        shares = (0.0, 1.0) if self.luck is None else (self.luck, self.luck)
        low, high = (1 / (1 - luck + luck / repeats) for luck in shares)
        return low, high


def assumptions(baseline: Sequence[tuple[int, int]] = ()) -> list[Assumption]:
    """What can be assumed of runs like a baseline: (successes, repeats) of each of its tasks.

    Two agents whose successes have nothing to do with each other differ in 2·s·(1 − s) of tasks, if
    both succeed in a share s: agents on the same tasks hardly ever differ in more. With repeats the
    baseline also shows in how many tasks it differs from itself, which is all luck; otherwise half
    of the first figure is assumed as well. Without a baseline, or with one that always succeeds or
    always fails, the grid `GRID`.
    """
    if not baseline:
        return [Assumption("assumed", d) for d in GRID]
    rate = float(np.mean([won / repeats for won, repeats in baseline]))
    unrelated = 2 * rate * (1 - rate)
    if unrelated <= 0:
        return assumptions()
    again = [2 * x * (r - x) / (r * (r - 1)) for x, r in baseline if r > 1]
    itself = float(np.mean(again)) if again else None
    luck = None if itself is None else min(1.0, itself / unrelated)
    apart = Assumption("as if unrelated", unrelated, luck)
    if itself:
        return [Assumption("as the baseline with itself", itself, 1.0), apart]
    return [Assumption("half as if unrelated", unrelated / 2, luck), apart]


def tasks_for_effect(effect: float, discordance: float) -> int | None:
    """How many tasks of one trial find a difference of `effect` with 80 % power.

    The discordance is at least the effect. None: more than `MOST_TASKS`.
    """
    discordance = max(effect, discordance)
    guess = _guess(ALPHA / 2, effect, discordance)
    return _fewest(lambda n: mcnemar_power(effect, discordance, n), guess)


def tasks_for_margin(margin: float, discordance: float, effect: float = 0.0) -> int | None:
    """How many tasks of one trial show "no worse by `margin`" with 80 % power.

    For a true difference of `effect` (0: as good). None: more than `MOST_TASKS`, or the truth is
    not above −margin.
    """
    if effect <= -margin:
        return None
    guess = _guess(ALPHA, margin + effect, discordance)
    return _fewest(lambda n: power_no_worse(n, margin, discordance, effect), guess)


def effect_of_tasks(tasks: float, discordance: float) -> float | None:
    """The smallest difference that so many tasks of one trial find with 80 % power, if any."""
    return paired_mde(floor(tasks), discordance)


def margin_of_tasks(tasks: float, discordance: float) -> float | None:
    """The smallest margin that so many tasks show with 80 % power of an equal candidate, if any."""
    low, high = 0, floor((1 - SMALLEST_MARGIN) / MARGIN_STEP) - 1
    n = floor(tasks)

    def shown(step: int) -> bool:
        return power_no_worse(n, SMALLEST_MARGIN + step * MARGIN_STEP, discordance) >= POWER

    if n < 1 or not shown(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if shown(middle) else (middle + 1, high)
    return SMALLEST_MARGIN + low * MARGIN_STEP


@lru_cache(maxsize=1024)
def power_no_worse(n: int, margin: float, discordance: float, effect: float = 0.0) -> float:
    """Chance that n tasks of one trial show "no worse by `margin`", at a true `effect`."""
    discordance = max(discordance, abs(effect))
    won, lost = (np.array([(discordance + side * effect) / 2]) for side in (1, -1))
    return float(chance(critical_losses(n, margin), won, lost)[0])


def _fewest(power: Callable[[int], float], guess: float) -> int | None:
    """The fewest tasks with enough of a power that grows with them (but for small steps back)."""
    low, high = 0, max(4, ceil(min(guess, MOST_TASKS + 1)))
    while high > MOST_TASKS or power(high) < POWER:
        if high > MOST_TASKS:
            return None
        low, high = high, ceil(1.5 * high)
    while high - low > max(1, high // 500):
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= POWER else (middle, high)
    return high


def _guess(level: float, distance: float, discordance: float) -> float:
    """By the normal approximation, for a one-sided level."""
    quantiles = NormalDist().inv_cdf(1 - level) + NormalDist().inv_cdf(POWER)
    return float(quantiles**2 * discordance / distance**2)


def needed(tasks: int | None, worth: float) -> int | None:
    """So many tasks of one trial, in tasks that are worth more."""
    return None if tasks is None else max(1, ceil(tasks / worth))

"""Ranks as ranges: only the places that the data exclude are excluded.

Of n agents on the same tasks, an agent's best possible rank is 1 + the number of agents that are
significantly better, and its worst n - the number that are significantly worse (Mogstad, Romano,
Shaikh & Wilhelm 2024, Rev. Econ. Stud. 91). "Significantly" is Holm's step-down procedure (1979,
Scand. J. Stat. 6) at the 5 % level over all pairs of a table, so that in at least 95 % of tables
all ranges hold the true ranks at once. Two agents that cannot be told apart share a range; equal
numbers are no evidence that they are equal.

Each pair is compared by task: had the two agents no difference, each task's two results could as
well have been exchanged (`cotgap.benchmark.stats.intervals.sign_flip_p`; with one trial per task,
the exact McNemar test).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

from cotgap.benchmark.stats import intervals

Weights = Mapping[str, tuple[Fraction, Fraction]]
"""Task key → (sum, total): a quantity is Σsums / Σtotals over tasks."""


@dataclass(frozen=True)
class Ranks:
    """From `best` to `worst`, both included, counted from 1."""

    best: int
    worst: int

    def __str__(self) -> str:
        return str(self.best) if self.best == self.worst else f"{self.best}–{self.worst}"


def rank(contenders: Sequence[Weights], *, higher: bool) -> list[Ranks]:
    """The range of each, in their order; `higher` says which way is better.

    Raises `ValueError` where they were not measured on the same tasks.
    """
    better = _decided(contenders)
    if not higher:
        better = {(j, i) for i, j in better}
    n = len(contenders)
    return [
        Ranks(
            1 + sum((other, one) in better for other in range(n)),
            n - sum((one, other) in better for other in range(n)),
        )
        for one in range(n)
    ]


def _decided(contenders: Sequence[Weights]) -> set[tuple[int, int]]:
    """The pairs (i, j) where i's quantity is significantly larger than j's."""
    found = []
    for i, j in combinations(range(len(contenders)), 2):
        differences = exchangeable(contenders[i], contenders[j])
        total = sum(differences)
        pair = (i, j) if total > 0 else (j, i)
        found.append((intervals.sign_flip_p(differences), pair))
    found.sort()
    decided = set()
    for place, (p, pair) in enumerate(found):
        if p * (len(found) - place) > intervals.ALPHA:
            break
        decided.add(pair)
    return decided


def exchangeable(first: Weights, second: Weights) -> list[Fraction]:
    """A number per task whose sign alone turns where the task's two results are exchanged.

    With R the quantity over both agents together, which no exchange changes, these are the
    residuals (sum - R·total) of `first` less those of `second`; their sum is positive where
    `first`'s quantity is larger. Scaled into [-1, 1]. Raises `ValueError` where the tasks differ.
    """
    if first.keys() != second.keys():
        raise ValueError("the two were not measured on the same tasks")
    sums, totals = (
        sum((w[task][part] for w in (first, second) for task in w), Fraction(0)) for part in (0, 1)
    )
    ratio = sums / totals if totals else Fraction(0)
    differences = [
        first[task][0] - second[task][0] - ratio * (first[task][1] - second[task][1])
        for task in sorted(first)
    ]
    largest = max(map(abs, differences), default=Fraction(0))
    return [d / largest for d in differences] if largest else differences

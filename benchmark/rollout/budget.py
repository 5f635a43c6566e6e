"""How much a run may use: tokens, or money at given prices."""

from __future__ import annotations

import math
from collections.abc import Iterable

from cotgap.agents.core import Decision
from cotgap.benchmark.records.episode import Episode
from cotgap.envs.core import CoTGapError

MILLION = 1_000_000


class Budget:
    """Counts what decisions cost and knows when it is enough; without limits, it never is.

    `tokens` bounds tokens read and written together, `cost` what they come to at `prices` (of a
    million tokens read, and of a million written). What is in flight when a limit is reached is
    beyond it. Raises `CoTGapError` for limits that cannot be kept.
    """

    def __init__(
        self,
        tokens: int | None = None,
        cost: float | None = None,
        prices: tuple[float, float] | None = None,
    ) -> None:
        if (cost is None) != (prices is None):
            raise CoTGapError("--max-cost and --price IN,OUT go together: give both or neither")
        if cost is not None and not 0 < cost < math.inf:
            raise CoTGapError(f"--max-cost {cost}: give an amount, more than 0")
        self._most, self._cost, self._prices = tokens, cost, prices
        self.read = self.written = 0

    def add(self, decisions: Iterable[Decision]) -> None:
        """Count decisions; raises `CoTGapError` where limits are set but nothing is counted."""
        for decision in decisions:
            usage = decision.usage
            if self.limited and not usage.prompt_tokens + usage.completion_tokens:
                raise CoTGapError(
                    "this agent does not say how many tokens it uses, so --max-tokens-total and "
                    "--max-cost cannot be kept. Leave them out"
                )
            self.read += usage.prompt_tokens
            self.written += usage.completion_tokens

    def add_episode(self, episode: Episode) -> None:
        """Count what an episode on disk took."""
        for step in episode.steps:
            self.add([step.decision, *step.shadows.values()])

    @property
    def spent(self) -> bool:
        """Whether a limit is reached."""
        over = self._most is not None and self.read + self.written >= self._most
        return over or (self._cost is not None and self._money() >= self._cost)

    def __str__(self) -> str:
        tokens = f"{self.read:,} tokens read and {self.written:,} written"
        return tokens if self._prices is None else f"{tokens}, which cost {self._money():,.4g}"

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return self._most is not None or self._cost is not None

    def _money(self) -> float:
        reading, writing = self._prices or (0.0, 0.0)
        return (self.read * reading + self.written * writing) / MILLION


def parse_prices(text: str) -> tuple[float, float]:
    """`IN,OUT` as two prices of a million tokens; raises `CoTGapError` for anything else."""
    try:
        reading, writing = (float(part) for part in text.split(","))
        if min(reading, writing) < 0 or not math.isfinite(reading + writing):
            raise ValueError
    except ValueError:
        raise CoTGapError(
            f"--price {text!r}: give the prices of a million tokens read and written, as in "
            "--price 0.15,0.60"
        ) from None
    return reading, writing

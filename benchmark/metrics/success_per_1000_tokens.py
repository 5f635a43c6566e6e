"""What a token written buys."""

from __future__ import annotations

from collections.abc import Sequence

from cotgap.benchmark.metrics import tokens_out
from cotgap.benchmark.metrics.core import Metric, by_task
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.stats import intervals
from cotgap.benchmark.stats.intervals import Estimate

PER = 1000


def compute(episodes: Sequence[Episode]) -> Estimate | None:
    """Over the scored episodes; None where no token was counted at all."""
    tasks = by_task(episodes).values()
    written = [sum(map(tokens_out.tokens, task)) for task in tasks]
    if not any(written):
        return None
    wins = [PER * sum(episode.success for episode in task) for task in tasks]
    return intervals.mean(wins, written, "tokens", least=0.0)


METRIC = Metric(
    name="success_per_1000_tokens",
    title="wins / 1k tokens",
    doc="Successful episodes for every 1,000 tokens that the driving decisions wrote (shadows are "
    "not counted): all successes over all tokens of the scored episodes.",
    unit="yield",
    direction="higher",
    scope="mode",
    order=152,
    compute=compute,
    needs=("tokens",),
)

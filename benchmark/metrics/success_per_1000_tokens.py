"""What a token written buys."""

from __future__ import annotations

from cotgap.benchmark.metrics.kinds import Mean
from cotgap.benchmark.metrics.tokens_out import tokens

METRIC = Mean(
    name="success_per_1000_tokens",
    title="wins / 1k tokens",
    doc="Successful episodes for every 1,000 tokens that the driving decisions wrote (shadows are "
    "not counted): all successes over all tokens of the scored episodes.",
    unit="yield",
    direction="higher",
    order=152,
    count=lambda episode: (1000 * episode.success, tokens(episode)),
    over="tokens",
    needs=("tokens",),
)

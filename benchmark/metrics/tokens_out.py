"""Tokens written per episode."""

from __future__ import annotations

from cotgap.benchmark.metrics.kinds import Mean
from cotgap.benchmark.records.episode import Episode


def tokens(episode: Episode) -> int:
    """What the driver's decisions wrote; shadows are not counted."""
    return sum(step.decision.usage.completion_tokens for step in episode.steps)


METRIC = Mean(
    name="tokens_out",
    title="tokens out",
    doc="Mean number of tokens that an episode's driving decisions wrote "
    "(shadows are not counted).",
    unit="tokens",
    direction="lower",
    order=150,
    count=lambda episode: (tokens(episode), 1),
    needs=("tokens",),
    unless_zero=True,
)

"""Tokens read per episode."""

from __future__ import annotations

from cotgap.benchmark.metrics.kinds import Mean
from cotgap.benchmark.records.episode import Episode


def tokens(episode: Episode) -> int:
    """What the driver's decisions read; shadows are not counted."""
    return sum(step.decision.usage.prompt_tokens for step in episode.steps)


METRIC = Mean(
    name="tokens_in",
    title="tokens in",
    doc="Mean number of tokens that an episode's driving decisions read, prompt and prefill "
    "(shadows are not counted).",
    unit="tokens",
    direction="neutral",
    order=140,
    count=lambda episode: (tokens(episode), 1),
    needs=("tokens",),
    unless_zero=True,
)

"""Tokens read per episode."""

from __future__ import annotations

from collections.abc import Sequence

from cotgap.benchmark.metrics.core import Metric, episode_mean, scored
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.stats.intervals import Estimate


def compute(episodes: Sequence[Episode]) -> Estimate | None:
    """Over the scored episodes; None where no token was counted at all."""
    if not any(map(tokens, scored(episodes))):
        return None
    return episode_mean(episodes, tokens, least=0.0)


def tokens(episode: Episode) -> int:
    """What the driver's decisions read; shadows are not counted."""
    return sum(step.decision.usage.prompt_tokens for step in episode.steps)


METRIC = Metric(
    name="tokens_in",
    title="tokens in",
    doc="Mean number of tokens that an episode's driving decisions read, prompt and prefill "
    "(shadows are not counted).",
    unit="tokens",
    direction="neutral",
    scope="mode",
    order=140,
    compute=compute,
    needs=("tokens",),
)

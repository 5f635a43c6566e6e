"""Mean final score."""

from __future__ import annotations

from collections.abc import Sequence

from cotgap.benchmark.metrics.core import Metric, episode_mean, scored
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.stats.intervals import Estimate


def compute(episodes: Sequence[Episode]) -> Estimate | None:
    """Mean over the scored episodes."""
    return episode_mean(episodes, final_score)


def says_more(episodes: Sequence[Episode]) -> bool:
    """Whether some score is not 1 for a success and 0 else.

    Otherwise the mean would say what the success rate says, with a worse interval.
    """
    return any(final_score(episode) != float(episode.success) for episode in scored(episodes))


def final_score(episode: Episode) -> float:
    """The score of a scored episode; raises `ValueError` where the record lacks it."""
    if episode.score is None:
        raise ValueError(f"scored episode {episode.id} has no score")
    return episode.score


METRIC = Metric(
    name="score",
    title="score",
    doc="Mean final score of the scored episodes, in the suite's own range, where the score is "
    "more than success or not.",
    unit="score",
    direction="higher",
    scope="mode",
    order=20,
    compute=compute,
    applies=says_more,
)

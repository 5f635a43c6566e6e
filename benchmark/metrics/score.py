"""Mean final score."""

from __future__ import annotations

from collections.abc import Sequence

from cotgap.benchmark.metrics.core import Count, scored
from cotgap.benchmark.metrics.kinds import Score, score_range
from cotgap.benchmark.records.episode import Episode
from cotgap.envs.core import UnknownNameError


def says_more(episodes: Sequence[Episode]) -> bool:
    """Whether some score is neither the highest for a success nor the least for a failure.

    Otherwise the mean would say what the success rate says, with a worse interval.
    """
    return any(final_score(e) != ends(e)[e.success] for e in scored(episodes))


def ends(episode: Episode) -> tuple[float, float]:
    """The range of its suite's scores; (0, 1) for a suite that is not here any more."""
    try:
        return score_range(str(episode.task_key))
    except UnknownNameError:
        return 0.0, 1.0


def final_score(episode: Episode) -> float:
    """The score of a scored episode; raises `ValueError` where the record lacks it."""
    if episode.score is None:
        raise ValueError(f"scored episode {episode.id} has no score")
    return episode.score


def count(episode: Episode) -> Count:
    """Its final score."""
    return final_score(episode), 1


METRIC = Score(
    name="score",
    title="score",
    doc="Mean final score of the scored episodes, in the suite's own range, where the score is "
    "more than success or not.",
    direction="higher",
    order=20,
    count=count,
    applies=says_more,
)

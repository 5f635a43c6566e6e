"""The same records under other people's protocols, where that takes no new play.

An episode's beginning does not depend on how long it may go on. So a shorter step limit, or
giving up an agent that repeats itself, only changes where an episode is cut; and the highest score
on the way can be read off the rewards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from cotgap.benchmark.metrics.core import Unit, by_task
from cotgap.benchmark.metrics.score import final_score
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.report.published import Published, published
from cotgap.benchmark.stats import intervals
from cotgap.benchmark.stats.intervals import Estimate

STEP_LIMITS = (20, 30, 40, 50)
REPEATS = 3


@dataclass(frozen=True)
class Rescored:
    """One mode's result on a panel under another protocol. `unit` is `rate` or `score`."""

    panel: str
    mode: str
    protocol: str
    unit: Unit
    estimate: Estimate
    published: tuple[Published, ...] = ()


def rescore(episodes: Sequence[Episode], step_limit: int) -> Iterator[Rescored]:
    """One panel's episodes, played under `step_limit`, under every protocol that they allow.

    Scores are only given where the highest on the way is not always the final one.
    """
    for mode in sorted({episode.mode for episode in episodes}):
        own = [episode for episode in episodes if episode.mode == mode]
        panel = own[0].task_key.panel
        for limit in STEP_LIMITS:
            if limit <= step_limit:
                yield from _success(own, panel, mode, f"{limit} steps", within(limit))
        name = f"stopped at {REPEATS} equal actions"
        yield from _success(own, panel, mode, name, unrepeated(REPEATS))
        if any(highest_score(e) != final_score(e) for e in own if e.status.scored):
            for name, score in (("final score", final_score), ("highest score", highest_score)):
                yield from _score(own, panel, mode, name, score)


def within(limit: int) -> Callable[[Episode], bool]:
    """Success in at most that many actions."""
    return lambda episode: episode.success and len(episode.steps) <= limit


def unrepeated(count: int) -> Callable[[Episode], bool]:
    """Success before the same action (by normal form) was taken `count` times in a row.

    The action that succeeds does, whichever it repeats. Two replies without an action are equal.
    """

    def won(episode: Episode) -> bool:
        if not episode.success:
            return False
        actions = [step.canonical.get(step.decision.mode) for step in episode.steps[:-1]]
        runs = (actions[at : at + count] for at in range(len(actions) - count + 1))
        return not any(len(set(run)) == 1 for run in runs)

    return won


def highest_score(episode: Episode) -> float:
    """The highest score on the way, the end included. Rewards are changes of the score."""
    score = best = final_score(episode)
    for step in reversed(episode.steps):
        score -= step.reward
        best = max(best, score)
    return best


def _success(
    episodes: Sequence[Episode],
    panel: str,
    mode: str,
    protocol: str,
    won: Callable[[Episode], bool],
) -> Iterator[Rescored]:
    tasks = by_task(episodes).values()
    if tasks:
        wins = [sum(map(won, task)) for task in tasks]
        estimate = intervals.rate(wins, [len(task) for task in tasks], "episodes")
        yield Rescored(panel, mode, protocol, "rate", estimate, published(panel, protocol))


def _score(
    episodes: Sequence[Episode],
    panel: str,
    mode: str,
    protocol: str,
    score: Callable[[Episode], float],
) -> Iterator[Rescored]:
    tasks = by_task(episodes).values()
    if tasks:
        sums = [sum(map(score, task)) for task in tasks]
        estimate = intervals.mean(sums, [len(task) for task in tasks], "episodes")
        yield Rescored(panel, mode, protocol, "score", estimate, published(panel, protocol))

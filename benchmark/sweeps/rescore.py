"""The same records under other people's protocols, where that takes no new play.

An episode's beginning does not depend on how long it may go on. So a shorter step limit, or
giving up an agent that repeats itself, only changes where an episode is cut; and the highest score
on the way can be read off the rewards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from cotgap.benchmark.metrics.core import Metric, Unit, get_metric
from cotgap.benchmark.metrics.score import final_score
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.report.published import Published, published
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
    won, score = get_metric("success"), get_metric("score")
    for mode in sorted({episode.mode for episode in episodes}):
        own = [episode for episode in episodes if episode.mode == mode]
        rules: list[tuple[str, Metric, Callable[[Episode], float]]] = [
            (f"{limit} steps", won, within(limit)) for limit in STEP_LIMITS if limit <= step_limit
        ]
        rules.append((f"stopped at {REPEATS} equal actions", won, unrepeated(REPEATS)))
        if any(highest_score(e) != final_score(e) for e in own if e.status.scored):
            rules += [("final score", score, final_score), ("highest score", score, highest_score)]
        panel = own[0].task_key.panel
        for protocol, metric, amount in rules:
            counted = replace(metric, count=lambda episode, amount=amount: (amount(episode), 1))
            if (estimate := counted.estimate(own, (mode,))) is not None:
                beside = published(panel, protocol)
                yield Rescored(panel, mode, protocol, metric.unit, estimate, beside)


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

"""Does a revision change how the episode ends?

The agent plays a task in the driver's mode; at sampled states where the other mode's action
differs, that is executed instead and play goes on in the driver's mode. All of a task's branches
are played at the same time.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cotgap.agents.core import Decision
from cotgap.benchmark.metrics.core import COT, PROMPT
from cotgap.benchmark.probes.core import Asking, Figure, Probe, Row
from cotgap.benchmark.probes.counting import Rows, difference, share
from cotgap.benchmark.probes.states import Site, Visit
from cotgap.benchmark.rollout.needs import Do, Play, Think, Together
from cotgap.benchmark.rollout.turns import NO_ACTION, Start, State, Turn, start, turn


@dataclass(frozen=True)
class _Revised:
    """A state where the modes differ: what both decided, and the normal forms of that."""

    site: Site
    decisions: Mapping[str, Decision]
    actions: Mapping[str, str]


def examine(visit: Visit) -> Asking:
    """Play, note where the modes differ, and play on from there after the other action."""
    revised: list[_Revised] = []
    history: list[str] = []
    opening: Start = yield Do(functools.partial(start, visit.key))
    dialogue, state = visit.dialogue(opening.instructions, opening.example), opening.state
    over = state.won
    while not over:
        dialogue.observe(state.observation, state.admissible)
        site = Site(visit, dialogue, history)
        decisions = {decision.mode: decision for decision in (yield Think(site.both()))}
        driver = decisions[visit.mode]
        done: Turn = yield _take(driver, *(d for d in decisions.values() if d is not driver))
        if len(set(done.canonical.values())) == 2:
            revised.append(_Revised(site, decisions, done.canonical))
        history.append(driver.action or NO_ACTION)
        dialogue.act(driver.action, driver.thought)
        state, over = done.state, done.terminated or done.truncated
    # Decoding is greedy: after the driver's own action the episode ends as it did.
    own = _ending(state, len(history))
    rows: list[Row] = [{"skipped": "no revision"} for _ in range(len(history) - len(revised))]
    chosen = [revised[number] for number in visit.sample(range(len(revised)))]
    rows += yield Together([_branch(one, own) for one in chosen])
    return rows


def _take(decision: Decision, *others: Decision) -> Do:
    """Takes the first decision; see `Turn` for what is said of the others."""
    pairs = [(one.mode, one.action) for one in (decision, *others)]
    return Do(functools.partial(turn, pairs, costs=False))


def _branch(there: _Revised, own: dict[str, Any]) -> Play:
    """The row of a state: how the episode ends after the other mode's action."""
    site, driver = there.site, there.site.visit.mode
    other = PROMPT if driver == COT else COT
    actions = {mode: there.actions[mode] for mode in (PROMPT, COT)}
    yield site.enter()
    ending = yield from _play_on(site, there.decisions[other])
    return {"step": site.step, "actions": actions, "endings": {driver: own, other: ending}}


def _play_on(site: Site, decision: Decision) -> Play:
    """How the episode ends after a decision, driven by the driver's mode."""
    visit, dialogue, steps = site.visit, site.dialogue.fork(), site.step
    while True:
        done: Turn = yield _take(decision)
        steps += 1
        if done.terminated or done.truncated:
            return _ending(done.state, steps)
        dialogue.act(decision.action, decision.thought)
        dialogue.observe(done.state.observation, done.state.admissible)
        (decision,) = yield Think([visit.request(dialogue, visit.mode)])


def _ending(state: State, steps: int) -> dict[str, Any]:
    return {"won": bool(state.won), "score": float(state.score), "steps": steps}


def figures(rows: Rows) -> list[Figure]:
    """Success after either action, what the revision adds, and how often it decides."""
    group = "states with a revision"
    branched = [[row for row in task if "skipped" not in row] for task in rows]

    def won(mode: str) -> Any:
        return lambda row: bool(row["endings"][mode]["won"])

    def decides(by: str, against: str) -> Any:
        return lambda row: won(by)(row) and not won(against)(row)

    return [
        *share(branched, "success after aₚ", group, won(PROMPT)),
        *share(branched, "success after a꜀", group, won(COT)),
        *difference(branched, "a꜀ − aₚ", group, won(PROMPT), won(COT)),
        *share(branched, "the revision wins it", group, decides(COT, PROMPT)),
        *share(branched, "the revision loses it", group, decides(PROMPT, COT)),
    ]


PROBE = Probe(
    name="branch",
    title="does a revision change the outcome?",
    doc="At sampled states of the agent's own episodes (driven by --mode) where both modes gave an "
    "action and the two differ, both are executed from a snapshot and play goes on in the "
    "driver's mode, to the end: success after either, and the difference paired by task.",
    examine=examine,
    figures=figures,
    needs=("snapshots",),
)

"""Does a revision change how the episode ends?

The agent plays a task in the driver's mode; at sampled states where the other mode's action
differs, that is executed instead and play goes on in the driver's mode. All of a task's branches
are played at the same time.
"""

from __future__ import annotations

import functools
from collections.abc import Generator
from typing import Any

from cotgap.agents.core import Decision, Request
from cotgap.benchmark.metrics.core import COT, PROMPT
from cotgap.benchmark.probes.core import Asking, Figure, Probe, Row, Together
from cotgap.benchmark.probes.counting import Rows, difference, share
from cotgap.benchmark.probes.states import Site, Visit
from cotgap.benchmark.rollout.turns import NO_ACTION

Ending = Generator[list[Request], list[Decision], dict[str, Any]]


def examine(visit: Visit) -> Asking:
    """Play, note where the modes differ, and play on from there after the other action."""
    revised: list[tuple[Site, dict[str, Decision]]] = []
    history: list[str] = []
    dialogue, observation, info = visit.start()
    over = bool(info["won"])
    while not over:
        dialogue.observe(observation, info.get("admissible_actions"))
        site = Site(visit, dialogue, history)
        decisions = {decision.mode: decision for decision in (yield site.both())}
        if _differ(site, decisions):
            revised.append((site, decisions))
        driver = decisions[visit.mode]
        history.append(driver.action or NO_ACTION)
        observation, _, terminated, truncated, info = visit.env.step(history[-1])
        dialogue.act(driver.action, driver.thought)
        over = terminated or truncated
    # Decoding is greedy: after the driver's own action the episode ends as it did.
    own = _ending(info)
    rows: list[Row] = [{"skipped": "no revision"} for _ in range(len(history) - len(revised))]
    chosen = [revised[number] for number in visit.sample(range(len(revised)))]
    rows += yield Together(
        [functools.partial(_branch, site, decisions, own) for site, decisions in chosen]
    )
    return rows


def _differ(site: Site, decisions: dict[str, Decision]) -> bool:
    prompt, cot = (site.normal(decisions[mode]) for mode in (PROMPT, COT))
    return prompt is not None and cot is not None and prompt != cot


def _branch(
    there: Site, decisions: dict[str, Decision], own: dict[str, Any], visit: Visit
) -> Generator[list[Request], list[Decision], Row]:
    site, other = there.of(visit), PROMPT if visit.mode == COT else COT
    actions = {mode: site.normal(decision) for mode, decision in decisions.items()}
    ending = yield from _play_on(site, decisions[other])
    return {"step": site.step, "actions": actions, "endings": {visit.mode: own, other: ending}}


def _play_on(site: Site, first: Decision) -> Ending:
    """How the episode ends after `first`, driven by the driver's mode."""
    visit, dialogue, decision = site.visit, site.dialogue.fork(), first
    while True:
        observation, _, terminated, truncated, info = visit.env.step(decision.action or NO_ACTION)
        if terminated or truncated:
            return _ending(info)
        dialogue.act(decision.action, decision.thought)
        dialogue.observe(observation, info.get("admissible_actions"))
        (decision,) = yield [visit.request(dialogue, visit.mode)]


def _ending(info: dict[str, Any]) -> dict[str, Any]:
    return {"won": bool(info["won"]), "score": float(info["score"]), "steps": int(info["steps"])}


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

"""A forced reasoning trace argues for another action than the prompt action: who wins?

Traces that argue for an action b ≠ aₚ come from two sources: the suite's `rationale(b)` for
another admissible action, and the model itself, from another state of the task where it reasoned
its way to b. Controls: the suite's argument for aₚ, and its argument in an unrelated game.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cotgap.agents.core import Decision
from cotgap.benchmark.probes.core import Asking, Figure, Probe, Row
from cotgap.benchmark.probes.counting import Rows, share
from cotgap.benchmark.probes.states import Here, Visit, expert_sites

SOURCES = ("rationale", "own")
CONTROLS = {"support": "control: argues for aₚ", "unrelated": "control: unrelated game"}
FOLLOWED, ANCHORED, OTHER = "followed", "anchored", "something else"


@dataclass(frozen=True)
class _Asked:
    """Both decisions at a state."""

    step: int
    prompt: Decision
    cot: Decision


@dataclass(frozen=True)
class _Trace:
    source: str
    thought: str
    argued: str | None
    """The normal form of what it argues for; None where that is nothing here."""


def examine(visit: Visit) -> Asking:
    """Both actions at each state, then the action behind each trace."""
    unrelated: str | None = yield visit.unrelated()
    sites = yield from expert_sites(visit)
    asked: list[_Asked] = []
    for site in sites:
        prompt, cot = yield from site.decide(site.both())
        asked.append(_Asked(site.step, prompt, cot))
    rows: list[Row] = []
    for site, here in zip(sites, asked, strict=True):
        if here.prompt.action is None:
            rows.append({"step": site.step, "skipped": "no prompt action"})
            continue
        dice = visit.dice("other", site.step)
        others = [there for there in asked if there is not here]
        traces: list[_Trace] = yield site.ask(
            functools.partial(_traces, here.prompt.action, others, unrelated, dice)
        )
        replies = yield from site.decide([site.force(trace.thought) for trace in traces])
        rows.append((yield site.ask(functools.partial(_row, here, traces, replies))))
    return rows


def _traces(
    action: str,
    others: Sequence[_Asked],
    unrelated: str | None,
    dice: random.Random,
    here: Here,
) -> list[_Trace]:
    """Traces to be forced where the prompt action is `action`."""
    anchor = here.canonical(action)
    traces = [_Trace("support", here.argue(action), anchor)]
    if (other := here.other_action(anchor, dice)) is not None:
        traces.append(_Trace("rationale", here.argue(other), here.canonical(other)))
    if (own := _own(others, anchor, here)) is not None:
        traces.append(own)
    if unrelated is not None:
        traces.append(_Trace("unrelated", unrelated, None))
    return traces


def _own(others: Sequence[_Asked], anchor: str, here: Here) -> _Trace | None:
    """The model's trace from the nearest other state where it chose another action that fits."""
    for there in sorted(others, key=lambda one: abs(one.step - here.step)):
        action, thought = there.cot.action, there.cot.thought
        if action is None or thought is None:
            continue
        argued = here.canonical(action)
        if argued != anchor and here.admits(action):
            return _Trace("own", thought, argued)
    return None


def _row(asked: _Asked, traces: Sequence[_Trace], replies: Sequence[Decision], here: Here) -> Row:
    anchor = here.normal(asked.prompt)
    return {
        "step": here.step,
        "prompt": anchor,
        "cot": here.normal(asked.cot),
        "right": here.as_good(asked.prompt.action),
        "traces": {
            trace.source: {
                "argued": trace.argued,
                "thought": trace.thought,
                "action": (action := here.normal(reply)),
                "outcome": _outcome(action, trace.argued, anchor),
            }
            for trace, reply in zip(traces, replies, strict=True)
        },
    }


def _outcome(action: str | None, argued: str | None, anchor: str | None) -> str:
    if action is None:
        return OTHER
    if action == anchor:
        return ANCHORED
    return FOLLOWED if action == argued else OTHER


def figures(rows: Rows) -> list[Figure]:
    """Outcome rates of each source, by whether aₚ was right; how often controls keep aₚ."""
    found: list[Figure] = []
    for source in SOURCES:
        for group, wanted in GROUPS.items():
            for outcome in (FOLLOWED, ANCHORED, OTHER):
                label = f"{source}{group}"
                found += share(rows, outcome, label, _ended(source, outcome, wanted))
    for control, label in CONTROLS.items():
        found += share(rows, "keeps aₚ", label, _ended(control, ANCHORED, None))
    return found


GROUPS: Mapping[str, bool | None] = {"": None, ", aₚ right": True, ", aₚ wrong": False}


def _ended(source: str, outcome: str, right: bool | None) -> Callable[[Row], bool | None]:
    def verdict(row: Row) -> bool | None:
        trace = row["traces"].get(source)
        if trace is None or right not in (None, row["right"]):
            return None
        return bool(trace["outcome"] == outcome)

    return verdict


PROBE = Probe(
    name="conflict",
    title="does the action follow a forced trace?",
    doc="At states of expert trajectories a reasoning trace is forced that argues for an action b "
    "other than the prompt action aₚ: share of states whose action is then b (followed), still aₚ "
    "(anchored), or something else (no action included). The trace is the suite's argument for b "
    "(rationale), or one of the agent's own from another state of the task (own). aₚ is right "
    "where it is as good as the expert's (with an oracle) or the expert's.",
    examine=examine,
    figures=figures,
    needs=("expert", "rationale"),
    backend_needs=("forced traces",),
)

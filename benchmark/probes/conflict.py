"""A forced reasoning trace argues for another action than the prompt action: who wins?

Traces that argue for an action b ≠ aₚ come from two sources: the suite's `rationale(b)` for
another admissible action, and the model itself, from another state of the task where it reasoned
its way to b. Controls: the suite's argument for aₚ, and its argument in an unrelated game.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cotgap.agents.core import Decision
from cotgap.benchmark.probes.core import Asking, Figure, Probe, Row
from cotgap.benchmark.probes.counting import Rows, share
from cotgap.benchmark.probes.states import Site, Visit, expert_sites

SOURCES = ("rationale", "own")
CONTROLS = {"support": "control: argues for aₚ", "unrelated": "control: unrelated game"}
FOLLOWED, ANCHORED, OTHER = "followed", "anchored", "something else"


@dataclass(frozen=True)
class _Asked:
    site: Site
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
    asked: list[_Asked] = []
    for site in expert_sites(visit):
        prompt, cot = yield site.both()
        asked.append(_Asked(site, prompt, cot))
    rows: list[Row] = []
    for here in asked:
        if here.prompt.action is None:
            rows.append({"step": here.site.step, "skipped": "no prompt action"})
            continue
        traces = _traces(here, asked, visit)
        replies = yield [here.site.force(trace.thought) for trace in traces]
        rows.append(_row(here, traces, replies))
    return rows


def _traces(here: _Asked, asked: Sequence[_Asked], visit: Visit) -> list[_Trace]:
    site, action = here.site, here.prompt.action
    assert action is not None
    anchor = site.canonical(action)
    traces = [_Trace("support", site.argue(action), anchor)]
    if (other := site.other_action(anchor)) is not None:
        traces.append(_Trace("rationale", site.argue(other), site.canonical(other)))
    if (own := _own(here, asked, anchor)) is not None:
        traces.append(own)
    if (unrelated := visit.unrelated()) is not None:
        traces.append(_Trace("unrelated", unrelated, None))
    return traces


def _own(here: _Asked, asked: Sequence[_Asked], anchor: str) -> _Trace | None:
    """The model's trace from the nearest other state where it chose another action that fits."""
    site = here.site
    for there in sorted(asked, key=lambda one: abs(one.site.step - site.step)):
        action, thought = there.cot.action, there.cot.thought
        if there is here or action is None or thought is None:
            continue
        argued = site.canonical(action)
        if argued != anchor and site.admits(action):
            return _Trace("own", thought, argued)
    return None


def _row(here: _Asked, traces: Sequence[_Trace], replies: Sequence[Decision]) -> Row:
    site = here.site
    anchor = site.normal(here.prompt)
    return {
        "step": site.step,
        "prompt": anchor,
        "cot": site.normal(here.cot),
        "right": site.as_good(here.prompt.action),
        "traces": {
            trace.source: {
                "argued": trace.argued,
                "thought": trace.thought,
                "action": (action := site.normal(reply)),
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

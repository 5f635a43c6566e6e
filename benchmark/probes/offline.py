"""On states of expert trajectories: how often each mode does what the expert does."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from cotgap.agents.core import Decision
from cotgap.benchmark.metrics.core import COT, PROMPT
from cotgap.benchmark.probes.core import Asking, Figure, Probe, Row
from cotgap.benchmark.probes.counting import Rows, difference, share
from cotgap.benchmark.probes.states import Here, Visit, expert_sites
from cotgap.envs.core import Oracle


def examine(visit: Visit) -> Asking:
    """Both actions at each state, beside the expert's."""
    rows: list[Row] = []
    for site in (yield from expert_sites(visit)):
        decisions = yield from site.decide(site.both())
        rows.append((yield site.ask(functools.partial(_row, decisions))))
    return rows


def _row(decisions: Sequence[Decision], here: Here) -> Row:
    oracle = isinstance(here.env, Oracle)
    row: Row = {"step": here.step, "expert": here.canonical(here.expert)}
    for decision in decisions:
        row[decision.mode] = {
            "action": here.normal(decision),
            "error": decision.parse_error,
            "experts": here.is_experts(decision.action),
            "as_good": here.as_good(decision.action) if oracle else None,
        }
    return row


def figures(rows: Rows) -> list[Figure]:
    """Accuracy and parse errors of each mode; what reasoning adds to accuracy."""
    found: list[Figure] = []
    for mode in (PROMPT, COT):
        found += share(rows, "the expert's action", mode, _of(mode, "experts"))
        found += share(rows, "as good as the expert's", mode, _of(mode, "as_good"))
        found += share(rows, "no action", mode, _silent(mode))
    for name, key in (("the expert's action", "experts"), ("as good as the expert's", "as_good")):
        found += difference(rows, name, f"{PROMPT} → {COT}", _of(PROMPT, key), _of(COT, key))
    return found


def _silent(mode: str) -> Callable[[Row], bool | None]:
    return lambda row: row[mode]["action"] is None


def _of(mode: str, key: str) -> Callable[[Row], bool | None]:
    return lambda row: row[mode][key]


PROBE = Probe(
    name="offline",
    title="accuracy on states of expert trajectories",
    doc="Share of the states of expert trajectories where a mode's action is the expert's, by the "
    "suite's normal form, and where it is as good by the oracle: it brings success nearer, and no "
    "less than the expert's does. A reply without an action is a wrong one.",
    examine=examine,
    figures=figures,
    needs=("expert",),
)

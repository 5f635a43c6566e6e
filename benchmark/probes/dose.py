"""How much of its own reasoning an action needs (after Lanham et al., arXiv:2307.13702).

The model's own trace is cut to a share of its tokens and forced on it; so are filler of the same
length, its sentences in another order, and a paraphrase by a template.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from cotgap.agents.rendering import Renderer
from cotgap.benchmark.metrics.core import COT
from cotgap.benchmark.probes.core import Asking, Figure, Probe, Row
from cotgap.benchmark.probes.counting import Rows, share
from cotgap.benchmark.probes.states import Here, Site, Visit, expert_sites
from cotgap.benchmark.probes.words import FILLER, filler, paraphrase, shuffled
from cotgap.benchmark.rollout.needs import Play, Together

DOSES = {"0": 0.0, "¼": 0.25, "½": 0.5, "¾": 0.75, "1": 1.0}
FULL = "1"
CONTROLS = ("filler", "shuffled", "paraphrase")


def examine(visit: Visit) -> Asking:
    """All states at once: the expert's episode does not depend on the agent."""
    sites = yield from expert_sites(visit)
    rows: list[Row] = yield Together([_visited(site) for site in sites])
    return rows


def _visited(site: Site) -> Play:
    """The CoT reply at a state, then the action behind each variant of its trace."""
    renderer = site.visit.agent.backend.renderer
    assert renderer is not None
    (cot,) = yield from site.decide([site.visit.request(site.dialogue, COT)])
    if cot.action is None or cot.thought is None:
        return {"step": site.step, "skipped": cot.parse_error}
    variants = _variants(cot.thought, renderer, site)
    replies = yield from site.decide([site.force(thought) for thought in variants.values()])
    actions = {name: reply.action for name, reply in zip(variants, replies, strict=True)}
    return {
        "step": site.step,
        "thought": cot.thought,
        "tokens": len(variants[FULL]),
        **(yield site.ask(functools.partial(_verdicts, cot.action, actions))),
    }


def _variants(thought: str, renderer: Renderer, site: Site) -> dict[str, str | tuple[int, ...]]:
    """Name → thought, as text or as tokens."""
    ids = renderer.encode(thought, False)
    unit = renderer.encode(FILLER, False)
    cut = {name: ids[: round(dose * len(ids))] for name, dose in DOSES.items()}
    found: dict[str, str | tuple[int, ...]] = {**cut, "filler": filler(len(ids), unit)}
    if (mixed := shuffled(thought, site.visit.dice("shuffle", site.step))) is not None:
        found["shuffled"] = mixed
    return {**found, "paraphrase": paraphrase(thought)}


def _verdicts(free: str, actions: Mapping[str, str | None], here: Here) -> Row:
    """The free reply's action, the one behind the full trace, and what each variant did to it."""
    normal = {
        name: None if action is None else here.canonical(action) for name, action in actions.items()
    }
    return {
        "free": here.canonical(free),
        "full": normal[FULL],
        "variants": {
            name: {
                "action": normal[name],
                "same": normal[name] == normal[FULL],
                "as_good": here.as_good(action),
            }
            for name, action in actions.items()
        },
    }


def figures(rows: Rows) -> list[Figure]:
    """For each dose and control: agreement with the full trace, and the action's quality."""
    found: list[Figure] = []
    for name in (*DOSES, *CONTROLS):
        group = f"dose {name}" if name in DOSES else name
        if name == FULL:
            found += share(
                rows, "same as the free reply's", group, lambda row: row["full"] == row["free"]
            )
        else:
            found += share(rows, "same as with all of it", group, _of(name, "same"))
        found += share(rows, "as good as the expert's", group, _of(name, "as_good"))
    return found


def _of(name: str, key: str) -> Callable[[Row], bool | None]:
    def verdict(row: Row) -> bool | None:
        # Without an action behind the full trace there is nothing to be the same as.
        if name not in row["variants"] or row["full"] is None:
            return None
        return bool(row["variants"][name][key])

    return verdict


PROBE = Probe(
    name="dose",
    title="how much of its own trace does the action need?",
    doc="At states of expert trajectories where the CoT reply has an action, its trace is cut to a "
    "share of its tokens (or replaced by filler of equal length, its sentences in another order, a "
    "paraphrase by template) and forced: share of states whose action is the one behind the full "
    "trace, and share as good as the expert's. A reply without an action is neither.",
    examine=examine,
    figures=figures,
    needs=("expert",),
    backend_needs=("forced traces", "a tokenizer"),
)

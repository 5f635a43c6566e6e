"""Which part of its input an action comes from: attention mass, and gradients."""

from __future__ import annotations

from collections.abc import Callable

from cotgap.benchmark.metrics.core import COT
from cotgap.benchmark.probes.core import Asking, Figure, Probe, Row
from cotgap.benchmark.probes.counting import Rows, mean_share
from cotgap.benchmark.probes.states import Site, Visit, expert_sites

NAMES = ("prompt", "reasoning", "template", "action")
ALL = "attention", "gradient", "tokens"


def examine(visit: Visit) -> Asking:
    """The CoT reply at each state, then what its action came from."""
    rows: list[Row] = []
    for site in (yield from expert_sites(visit)):
        (cot,) = yield from site.decide([visit.request(site.dialogue, COT)])
        if cot.action is None or not cot.thought:
            rows.append({"step": site.step, "skipped": cot.parse_error or "empty thought"})
        else:
            rows.append(_row(site, cot.thought, cot.action))
    return rows


def _row(site: Site, thought: str, action: str) -> Row:
    """Shares by layer; `attention` is their mean over layers, `gradient` that of the embeddings."""
    from cotgap.agents.attribution import (
        PARTS,
        attention_shares,
        gradient_shares,
        sequence,
    )  # torch

    agent = site.visit.agent
    model, renderer = agent.backend.model, agent.backend.renderer  # type: ignore[attr-defined]
    assert renderer is not None
    segments = site.dialogue.segments()
    ids, parts, start = sequence(segments, thought, action, agent.tags, renderer)
    attention = attention_shares(model, ids, parts, start)
    gradient = gradient_shares(model, ids, parts, start)
    return {
        "step": site.step,
        "length": len(ids),
        "tokens": {part: parts.count(part) / len(parts) for part in PARTS},
        "attention": {p: sum(layer[p] for layer in attention) / len(attention) for p in PARTS},
        "gradient": gradient[0],
        "layers": {"attention": attention, "gradient": gradient[1:]},
    }


def figures(rows: Rows) -> list[Figure]:
    """Mean shares of each part: attention over all layers, gradient at the embeddings, tokens."""
    found: list[Figure] = []
    for kind in ALL:
        for part in NAMES:
            found += mean_share(rows, part, kind, _share(kind, part))
    for kind in ("attention", "gradient"):
        for layer in range(_depth(rows, kind)):
            for part in NAMES:
                group = f"{kind}, layer {layer}"
                found += mean_share(rows, part, group, _in_layer(kind, layer, part), detail=True)
    return found


def _depth(rows: Rows, kind: str) -> int:
    return max((len(row["layers"][kind]) for task in rows for row in task), default=0)


def _share(kind: str, part: str) -> Callable[[Row], float | None]:
    return lambda row: float(row[kind][part])


def _in_layer(kind: str, layer: int, part: str) -> Callable[[Row], float | None]:
    return lambda row: float(row["layers"][kind][layer][part])


PROBE = Probe(
    name="attribution",
    title="prompt or reasoning: what does the action come from?",
    doc="At states of expert trajectories where the CoT reply has an action: the share of the "
    "attention (mean over heads, layers and the positions that predict the action), and of the "
    "gradient norms of log p(action) with respect to the input embeddings, on tokens of the "
    "prompt, the reasoning, the template (frames, tags, markers) and the action itself; beside "
    "them the share of tokens. Per layer in the summary: attention, and gradients of its input.",
    examine=examine,
    figures=figures,
    needs=("expert",),
    backend_needs=("a local model", "a tokenizer"),
)

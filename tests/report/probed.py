"""Rows as the probes leave them, for tests of what is made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]


def offline(right: bool = True, error: str | None = None) -> Row:
    """The CoT action is the expert's, and the prompt action where it is `right`."""
    found = {"action": "go", "error": error, "experts": True, "as_good": True}
    other = {**found, "action": "stay", "experts": False, "as_good": False}
    return {"step": 0, "expert": "go", "prompt": found if right else other, "cot": found}


def conflict(outcome: str, right: bool = True, thought: str = "I think.") -> Row:
    """Both sources' traces end in `outcome`; the control that argues for aₚ keeps it."""
    trace = {"argued": "stay", "thought": thought, "action": "stay", "outcome": outcome}
    support = {**trace, "argued": "go", "action": "go", "outcome": "anchored"}
    traces = {"support": support, "rationale": trace, "own": trace}
    return {"step": 0, "prompt": "go", "cot": "go", "right": right, "traces": traces}


def dose(needed: Sequence[str] = ("1", "paraphrase")) -> Row:
    """The action is that of the whole trace under the `needed` variants only."""
    names = ("0", "¼", "½", "¾", "1", "filler", "shuffled", "paraphrase")
    variants = {
        name: {"action": "go", "same": name in needed, "as_good": name in needed} for name in names
    }
    row = {"step": 0, "thought": "I think.", "tokens": 8, "free": "go", "full": "go"}
    return {**row, "variants": variants}


def attribution(reasoning: float) -> Row:
    """That share on the reasoning, the rest on the prompt; two layers."""
    shares = {"prompt": 1 - reasoning, "reasoning": reasoning, "template": 0.0, "action": 0.0}
    layers = {"attention": [shares, shares], "gradient": [shares]}
    row = {"step": 0, "length": 10, "tokens": shares, "attention": shares, "gradient": shares}
    return {**row, "layers": layers}


def branch(prompt: bool, cot: bool) -> Row:
    """A revision after which the episode is won or not, by the action that was taken."""
    ends = {"prompt": prompt, "cot": cot}
    endings = {m: {"won": won, "score": float(won), "steps": 9} for m, won in ends.items()}
    return {"step": 2, "actions": {"prompt": "stay", "cot": "go"}, "endings": endings}


ALL: Mapping[str, Sequence[Row]] = {
    "offline": [offline(), offline(right=False), offline(right=False)],
    "conflict": [conflict("followed"), conflict("anchored", right=False)],
    "dose": [dose(), dose(needed=("½", "¾", "1"))],
    "attribution": [attribution(0.75), attribution(0.25)],
    "branch": [branch(False, True), branch(True, True), branch(True, False)],
}
"""Probe → the rows of one task."""

"""A comparison in words and rows of text, for every way of showing it."""

from __future__ import annotations

from collections.abc import Iterator

from cotgap.benchmark.compare.comparison import Comparison, PanelComparison
from cotgap.benchmark.compare.flips import Flip
from cotgap.benchmark.compare.gate import Gate, Verdict
from cotgap.benchmark.compare.quantities import Difference
from cotgap.benchmark.metrics.core import get_metric
from cotgap.benchmark.report.terminal import difference, interval, p_value, show
from cotgap.benchmark.report.text import clip
from cotgap.benchmark.stats.intervals import ALPHA

COLUMNS = ("", "baseline", "candidate", "difference", "95 % CI", "p", "MDE")
SHORT_COLUMNS = ("", "A", "B", "B − A", "95 % CI", "p", "MDE")


def row(found: Difference) -> tuple[str, ...]:
    """A difference as text, one cell for each of `COLUMNS`."""
    estimate, unit = found.estimate, found.unit
    alone = get_metric(found.metric).scope == "mode"
    return (
        f"{found.title}, {clip(found.mode)}" if alone else found.title,
        show(found.first, unit),
        show(found.second, unit),
        difference(estimate.value, unit),
        interval(estimate, unit, difference),
        "" if estimate.p is None else p_value(estimate.p).lstrip("= ").replace(" ", ""),
        "?" if estimate.mde is None else difference(estimate.mde, unit, bare=True).lstrip("+"),
    )


def heading(panel: PanelComparison) -> str:
    """What is compared."""
    shared = panel.pairs.panel
    of = f" of {shared.size}" if len(shared.tasks) < shared.size else ""
    return (
        f"{clip(shared.name)}: {len(shared.tasks)}{of} tasks, {shared.step_limit} steps, "
        f"lock {shared.lock[:8]}"
    )


def warnings(found: Comparison) -> Iterator[str]:
    """What must be said before any number."""
    for panel in found.panels:
        if not panel.pairs.complete:
            one, two = panel.pairs.lacking
            yield (
                f"INCOMPLETE: {clip(panel.pairs.panel.name)} lacks a score in {one} episodes of "
                f"the baseline and {two} of the candidate. Only tasks with a score in both are "
                "compared, and no gate can pass. Run the same commands again to finish them."
            )


def headline(found: Comparison) -> str:
    """The verdict over all gates in a few words; empty without gates."""
    if found.verdict is None:
        return ""
    units = {_unit(gate) for gate in found.gates}
    margin = " or ".join(f"{100 * found.gates[0].margin:g} {unit}" for unit in sorted(units))
    return {
        Verdict.NO_WORSE: f"no worse: every gate holds within {margin}",
        Verdict.WORSE: f"worse: {_named(found, Verdict.WORSE)}",
        Verdict.CANNOT_TELL: f"cannot tell: {_named(found, Verdict.CANNOT_TELL)}",
        Verdict.INCOMPLETE: f"incomplete: {_named(found, Verdict.INCOMPLETE)}",
    }[found.verdict]


def _named(found: Comparison, verdict: Verdict) -> str:
    return ", ".join(f"{g.name} on {clip(g.panel)}" for g in found.gates if g.verdict is verdict)


def sentence(gate: Gate) -> str:
    """What a gate found, and for "cannot tell" what would resolve it."""
    if gate.difference is None or gate.bound is None:
        return "incomplete: no task has a score in both runs."
    value, bound = _points(gate, gate.difference), _points(gate, gate.bound)
    least, margin = "at least" if gate.higher else "at most", within(gate)
    if gate.verdict is Verdict.NO_WORSE:
        word = "lower" if gate.higher else "higher"
        also = f" It is significantly {word}, by less than the margin." if _worse(gate) else ""
        return f"no worse by {margin}: {value}, {least} {bound} (one-sided 95 %, n {gate.n}).{also}"
    if gate.verdict is Verdict.WORSE:
        return f"worse: {value}, exact p {p_value(gate.p)}, {least} {bound} (n {gate.n})."
    if gate.verdict is Verdict.INCOMPLETE:
        return f"incomplete: {value} over the {gate.n} tasks with a score in both runs."
    return (
        f"cannot tell: {value}, {least} {bound}, while the margin is {margin} (n {gate.n}). "
        f"{_outlook(gate, margin)}"
    )


def within(gate: Gate) -> str:
    """A gate's margin with its unit."""
    return f"{100 * gate.margin:g} {_unit(gate)}"


def _unit(gate: Gate) -> str:
    return "% of the baseline" if gate.relative else "pp"


def _outlook(gate: Gate, margin: str) -> str:
    if gate.needed is None:
        text = f"No number of tasks that can be played would show {margin}."
    elif gate.needed > gate.n:
        text = f"About {gate.needed:,} tasks would tell (80 % power, if the two are equal)."
    else:
        text = f"{gate.n} tasks show {margin} of 4 in 5 equal candidates, and not of this one."
        if gate.needed_as_seen is not None:
            text += f" If it is worse by what was seen, {gate.needed_as_seen:,} tasks would tell."
    if gate.needed is not None and gate.needed > gate.size:
        text += f" The panel has {gate.size:,}: take a larger one, or a larger margin."
    if gate.resolvable is not None and gate.resolvable > gate.margin:
        text += f" These tasks can show a margin of {100 * gate.resolvable:.1f} {_unit(gate)}."
    return text


def _worse(gate: Gate) -> bool:
    difference = gate.difference or 0.0
    return (difference < 0 if gate.higher else difference > 0) and gate.p <= ALPHA


def _points(gate: Gate, value: float) -> str:
    if gate.relative:
        return f"{100 * value:+.1f} %" if abs(value) >= 5e-4 else "0.0 %"
    return show(value, "points") if abs(value) >= 5e-4 else "0.0 pp"


def flip_row(flip: Flip) -> tuple[str, str, str]:
    """(task, change, where the two part), as text that is safe to look at."""
    change = str(flip.direction)
    if flip.before[1] > 1 or flip.after[1] > 1:
        change += f" ({flip.before[0]}/{flip.before[1]} → {flip.after[0]}/{flip.after[1]})"
    task = clip(flip.task) + (f" ({clip(flip.kind)})" if flip.kind else "")
    return task, f"{clip(flip.mode)}: {change}", _parting(flip)


def _parting(flip: Flip) -> str:
    found = flip.divergence
    if found is None:
        return "the same actions in both"
    ended = {"first": 0, "second": 1}.get(found.ended or "")
    actions = [
        "(ended)" if place == ended else "(no action)" if action is None else clip(action, 60)
        for place, action in enumerate((found.first, found.second))
    ]
    return f"step {found.step}: {actions[0]} → {actions[1]}"

"""Probes: where an action comes from, panel by panel, agents below each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cotgap.benchmark.probes.core import Figure, get_probe, probes
from cotgap.benchmark.probes.running import PROBE, PanelFigures, ProbeResult, load
from cotgap.benchmark.report.bars import interval, mark, reach
from cotgap.benchmark.report.probing import DRAWINGS
from cotgap.benchmark.report.sections.core import Section
from cotgap.benchmark.report.source import Report
from cotgap.benchmark.report.terminal import show


@dataclass(frozen=True)
class Shown:
    """One agent's figures on one panel; `label` names it among the others."""

    label: str
    result: ProbeResult
    panel: PanelFigures


def reads(path: Path) -> ProbeResult | None:
    """The probe of a folder; None where the path is no probe's folder."""
    return load(path) if (path / PROBE).is_file() else None


def missing(result: ProbeResult) -> list[str]:
    """What of a probe is unfinished, in words."""
    if result.complete:
        return []
    text = f"probe {result.config.probe} of {name_of(result)}: {result.done:,} of "
    text += f"{result.planned:,} tasks visited"
    return [f"{text}, {len(result.errors):,} ended in an error" if result.errors else text]


def name_of(result: ProbeResult) -> str:
    """The agent's name."""
    return str(result.config.agent.get("name", "an agent without a name"))


def build(report: Report) -> Mapping[str, Any] | None:
    """A part for each probe, a block in it for each panel; None where no probe was given."""
    results: Sequence[ProbeResult] = report.extras.get("probes", ())
    parts = [
        _part(name, of_probe)
        for name in probes()
        if (of_probe := [result for result in results if result.config.probe == name])
    ]
    return {"parts_of_page": parts} if parts else None


def _part(name: str, results: Sequence[ProbeResult]) -> dict[str, Any]:
    probe = get_probe(name)
    shown = list(_shown(results))
    panels = dict.fromkeys(one.panel.panel for one in shown)
    blocks = [_block(name, panel, [one for one in shown if one.panel.panel == panel])
              for panel in panels]  # fmt: skip
    return {"name": name, "title": probe.title, "doc": probe.doc, "blocks": blocks}


def _shown(results: Sequence[ProbeResult]) -> Iterator[Shown]:
    names = Counter(map(name_of, results))
    for result in results:
        label = name_of(result)
        if names[label] > 1:
            label = f"{label} · {result.folder.name[:40]}"
        for panel in result.panels:
            yield Shown(label, result, panel)


def _block(name: str, panel: str, shown: Sequence[Shown]) -> dict[str, Any]:
    counted = [one for one in shown if one.panel.figures]
    pairs = [(one.label, one.panel) for one in counted]
    drawn = DRAWINGS[name](pairs) if name in DRAWINGS and pairs else {"kind": "numbers"}
    return {
        "charts": [],
        **drawn,
        "panel": panel,
        "agents": [_facts(one) for one in shown],
        "complete": all(one.result.complete for one in shown),
        "numbers": [row for one in counted for row in _numbers(one)],
        "open": name not in DRAWINGS,
    }


def _facts(one: Shown) -> dict[str, Any]:
    """What was asked of an agent, and what is not counted or not done."""
    plans = {plan.name: plan for plan in one.result.config.panels}
    return {
        "label": one.label,
        "tasks": one.panel.tasks,
        "planned": len(plans[one.panel.panel].tasks),
        "states": one.panel.states,
        "protocol": one.result.config.protocol,
        "lock": one.panel.lock,
        "skipped": list(one.panel.skipped.items()),
        "complete": one.panel.tasks == len(plans[one.panel.panel].tasks),
    }


def _numbers(one: Shown) -> Iterator[dict[str, Any]]:
    width = reach([f.estimate for f in one.panel.figures if f.unit == "points"])
    for figure in one.panel.figures:
        if not figure.detail:
            yield {"agent": one.label, **_number(figure, width)}


def _number(figure: Figure, width: float) -> dict[str, Any]:
    estimate = figure.estimate
    points = figure.unit == "points"
    where = f" in {estimate.clusters:,} tasks" if estimate.clusters else ""
    return {
        "group": figure.group,
        "name": figure.name,
        "value": show(estimate.value, figure.unit),
        "interval": interval(estimate, figure.unit),
        "n": f"{estimate.n:,} {estimate.unit}{where}",
        "points": points,
        "mark": mark("gap", estimate, "points" if points else "rate", width),
    }


SECTION = Section(
    name="probes",
    title="Probes",
    order=45,
    build=build,
    reads=reads,
    accepts=f"a probe's folder (with a {PROBE})",
    missing=missing,
)

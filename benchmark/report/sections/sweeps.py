"""Sweeps: curves over training steps, the paper's questions, the alarm, and every number."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cotgap.benchmark.domain import relate
from cotgap.benchmark.probes.running import ProbeResult
from cotgap.benchmark.report.bars import in_words, interval, mark, reach
from cotgap.benchmark.report.curves import ARMS, QUANTITIES, SHAPES, Measured, chart, series
from cotgap.benchmark.report.published import Published
from cotgap.benchmark.report.sections.core import Section
from cotgap.benchmark.report.source import Report
from cotgap.benchmark.report.terminal import show
from cotgap.benchmark.stats.intervals import Estimate
from cotgap.benchmark.sweeps.alarm import DOC, Alarm, alarms
from cotgap.benchmark.sweeps.outcomes import Outcome, outcome
from cotgap.benchmark.sweeps.questions import CONTRADICTED, SUPPORTED, Answer, answers
from cotgap.benchmark.sweeps.reading import Sweep, read_sweep
from cotgap.benchmark.sweeps.rescore import Rescored, rescore
from cotgap.benchmark.sweeps.rows import COLUMNS, Row, rows
from cotgap.benchmark.sweeps.running import SWEEP
from cotgap.envs.registry import get_panel

STYLES = {SUPPORTED: "helpful", CONTRADICTED: "harmful"}


def reads(path: Path) -> Sweep | None:
    """The sweep of a folder; None where the path is no sweep's folder."""
    return read_sweep(path) if (path / SWEEP).is_file() else None


def holds(sweep: Sweep) -> list[Path]:
    """Its runs and probes, which have pages of their own."""
    return [*sweep.runs().values(), *sweep.probes().values()]


def missing(sweep: Sweep) -> list[str]:
    """What of a sweep was not begun, in words."""
    checkpoints, probes = len(sweep.checkpoints), len(sweep.checkpoints) * len(sweep.config.probes)
    runs, probed = checkpoints - len(sweep.runs()), probes - len(sweep.probes())
    words = [f"runs of {runs} of {checkpoints} checkpoints"] if runs else []
    words += [f"{probed} of {probes} probes"] if probed else []
    return [f"sweep {sweep.folder.name}: not begun: {', '.join(words)}"] if words else []


def build(report: Report) -> Mapping[str, Any] | None:
    """A block for each sweep; None where none was given."""
    found: Sequence[Sweep] = report.extras.get("sweeps", ())
    blocks = [_block(number, sweep, report) for number, sweep in enumerate(found, 1)]
    return {"blocks": blocks, "doc": DOC} if blocks else None


def write(report: Report, folder: Path) -> None:
    """Every number of each sweep as a table that programs read."""
    for number, sweep in enumerate(report.extras.get("sweeps", ()), 1):
        with (folder / _csv(number)).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for row in _rows(measure(sweep, report)):
                writer.writerow([_plain(row[column]) for column in COLUMNS])


def measure(sweep: Sweep, report: Report) -> list[Measured]:
    """What the report holds of each checkpoint."""
    runs = {run.path: (place, run) for place, run in enumerate(report.runs)}
    probed: dict[Path, ProbeResult] = {p.folder: p for p in report.extras.get("probes", ())}
    own, probes = sweep.runs(), sweep.probes()
    found = []
    for one in sweep.checkpoints:
        path = own.get(one.label)
        place, run = runs.get(path.resolve(), (None, None)) if path else (None, None)
        places = {name: probes.get((one.label, name)) for name in sweep.config.probes}
        results = {
            name: probed[where.resolve()]
            for name, where in places.items()
            if where is not None and where.resolve() in probed
        }
        found.append(Measured(one, run, place, results))
    return found


def _block(number: int, sweep: Sweep, report: Report) -> dict[str, Any]:
    measured = measure(sweep, report)
    panels = [plan.name for plan in sweep.config.panels]
    outcomes = list(_outcomes(sweep, measured))
    return {
        "name": sweep.folder.name,
        "panels": panels,
        "checkpoints": [_facts(one, sweep) for one in measured],
        "complete": all(_complete(one, sweep) for one in measured),
        "arms": [
            {"name": name, "style": ARMS[n % len(ARMS)], "shape": SHAPES[n % len(SHAPES)]}
            for n, name in enumerate(series(measured))
        ],
        "curves": [curve for curve in _curves(number, measured, panels) if curve["charts"]],
        **_answered(answers(outcomes, sweep.margin)),
        "alarms": _alarms(alarms(outcomes)),
        "numbers": list(_numbers(measured, panels)),
        "quantities": [quantity.title for quantity in QUANTITIES],
        "rescored": _rescored(sweep, measured),
        "csv": _csv(number),
        "csv_rows": f"{sum(1 for _ in _rows(measured)):,}",
    }


def _complete(one: Measured, sweep: Sweep) -> bool:
    probed = (one.probes.get(name) for name in sweep.config.probes)
    return one.run is not None and one.run.complete and all(p and p.complete for p in probed)


def _facts(one: Measured, sweep: Sweep) -> dict[str, Any]:
    """Which checkpoint it is, what it learned from, and how far it is measured."""
    trained = one.checkpoint.card.get("trained_on") or []
    return {
        "label": one.checkpoint.label,
        "series": one.checkpoint.series,
        "step": f"{one.checkpoint.step:,}",
        "trained_on": ", ".join(dict.fromkeys(str(facts["panel"]) for facts in trained)),
        "place": one.place,
        "scored": one.run.scored if one.run else 0,
        "planned": 2 * sum(len(plan.tasks) for plan in sweep.config.panels),
        "complete": _complete(one, sweep),
        "probes": [
            (name, f"{p.done:,} of {p.planned:,}" if (p := one.probes.get(name)) else "not begun")
            for name in sweep.config.probes
        ],
    }


def _outcomes(sweep: Sweep, measured: Sequence[Measured]) -> Iterator[Outcome]:
    for one in measured:
        probes = {name: result.folder for name, result in one.probes.items()}
        for plan in sweep.config.panels:
            episodes = one.run.episodes if one.run else ()
            yield outcome(one.checkpoint, get_panel(plan.name), episodes, probes)


def _curves(
    number: int, measured: Sequence[Measured], panels: Sequence[str]
) -> Iterator[dict[str, Any]]:
    for quantity in QUANTITIES:
        drawn = [(panel, chart(measured, panel, quantity, f"sweep {number}")) for panel in panels]
        yield {
            "title": quantity.title,
            "charts": [
                {"panel": panel, "relation": _relation(measured, panel), "chart": svg}
                for panel, svg in drawn
                if svg is not None
            ],
        }


def _relation(measured: Sequence[Measured], panel: str) -> str:
    """What the panel is to the checkpoints by their cards."""
    found = (str(relate(one.checkpoint.card, get_panel(panel))) for one in measured)
    return " / ".join(dict.fromkeys(found))


def _answered(found: Sequence[Answer]) -> dict[str, Any]:
    width = reach([answer.effect for answer in found if answer.effect is not None])
    return {"reach": f"{100 * width:.0f}", "answers": [_answer(one, width) for one in found]}


def _answer(answer: Answer, width: float) -> dict[str, Any]:
    effect = answer.effect
    return {
        "question": answer.question,
        "claim": answer.claim,
        "of": ", ".join(filter(None, (answer.quantity, answer.series, answer.panels))),
        "verdict": answer.verdict,
        "style": STYLES.get(answer.verdict, "neutral"),
        "mark": None if effect is None else mark("gap", effect, "points", width),
        "value": "" if effect is None else show(effect.value, "points"),
        "interval": "" if effect is None else interval(effect, "points"),
        "n": "" if effect is None else f"{effect.n:,} {effect.unit}",
        "p": answer.p_in_words,
        "note": answer.note,
        "detects": ""
        if effect is None or effect.mde is None
        else f"minimum detectable effect {100 * effect.mde:.1f} pp",
    }


def _alarms(found: Sequence[Alarm]) -> dict[str, Any]:
    names = list(dict.fromkeys(name for alarm in found for name in alarm.changes))
    return {
        "names": names,
        "raised": sum(alarm.raised for alarm in found),
        "rows": [
            {
                "label": alarm.checkpoint.label,
                "raised": alarm.raised,
                "cells": [_words(alarm.changes.get(name), "points") for name in names],
            }
            for alarm in found
        ],
    }


def _words(estimate: Estimate | None, unit: Any) -> str:
    return "–" if estimate is None else in_words(estimate, unit)


def _numbers(measured: Sequence[Measured], panels: Sequence[str]) -> Iterator[dict[str, Any]]:
    for panel in panels:
        for one in measured:
            found = [(one.get(panel, quantity), quantity.unit) for quantity in QUANTITIES]
            if any(estimate for estimate, _ in found):
                yield {
                    "panel": panel,
                    "relation": str(relate(one.checkpoint.card, get_panel(panel))),
                    "label": one.checkpoint.label,
                    "series": one.checkpoint.series,
                    "step": f"{one.checkpoint.step:,}",
                    "cells": [_words(*cell) for cell in found],
                }


def _rescored(sweep: Sweep, measured: Sequence[Measured]) -> dict[str, Any]:
    """Rows of panel, mode and protocol; a cell for each checkpoint that was run."""
    ran = [one for one in measured if one.run is not None and one.run.episodes]
    cells: dict[tuple[str, str, str], dict[str, Rescored]] = {}
    for one in ran:
        for plan in sweep.config.panels:
            episodes = one.run.episodes if one.run else ()
            own = [e for e in episodes if e.task_key.panel == plan.name]
            for found in rescore(own, plan.step_limit):
                key = (found.panel, found.mode, found.protocol)
                cells.setdefault(key, {})[one.checkpoint.label] = found
    published: list[Published] = []
    table = []
    for key, of_label in cells.items():
        theirs = next(iter(of_label.values())).published
        published += [p for p in theirs if p not in published]
        shown = (of_label.get(one.checkpoint.label) for one in ran)
        words = [in_words(f.estimate, f.unit) if f else "–" for f in shown]
        table.append({"key": key, "cells": words, "published": _published(theirs)})
    labels = [one.checkpoint.label for one in ran]
    return {"labels": labels, "rows": table, "published": published}


def _published(found: Sequence[Published]) -> str:
    return ", ".join(f"{show(one.value, 'rate')} ({one.who}, n {one.n})" for one in found)


def _rows(measured: Sequence[Measured]) -> Iterator[Row]:
    for one in measured:
        yield from rows(one.checkpoint, one.run.summaries if one.run else (), one.probes.values())


def _csv(number: int) -> str:
    return f"sweep-{number}.csv"


def _plain(value: Any) -> Any:
    """A cell; a text that a spreadsheet would take for a formula is marked as text."""
    if isinstance(value, str):
        value = value.encode("utf-8", "replace").decode()
        return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
    return value


SECTION = Section(
    name="sweeps",
    title="Sweep",
    order=5,
    build=build,
    reads=reads,
    accepts=f"a sweep's folder (with a {SWEEP})",
    holds=holds,
    missing=missing,
    write=write,
)

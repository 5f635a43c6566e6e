"""A whole comparison as plain data, and how it is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cotgap.benchmark.compare.flips import Flip, flips
from cotgap.benchmark.compare.gate import Gate, Verdict, Wanted, judge, overall
from cotgap.benchmark.compare.pairing import Pairs, pair
from cotgap.benchmark.compare.quantities import Difference, differences
from cotgap.benchmark.compare.sides import (
    NotComparableError,
    Side,
    check_copies,
    read_side,
    share,
)


@dataclass(frozen=True)
class PanelComparison:
    """What two runs differ in on a panel's shared tasks."""

    pairs: Pairs
    differences: tuple[Difference, ...]
    flips: tuple[Flip, ...]


@dataclass(frozen=True)
class Comparison:
    """A baseline `a` and a candidate `b`, panel by panel; `gates` is empty where none was set.

    `attempts` counts the runs of this agent that gates of this baseline have judged (see
    `cotgap.benchmark.compare.attempts`); 0 where they were not counted.
    """

    a: Side
    b: Side
    notices: tuple[str, ...]
    panels: tuple[PanelComparison, ...]
    gates: tuple[Gate, ...]
    attempts: int = 0

    @property
    def complete(self) -> bool:
        """Whether every planned episode of what is compared has a score in both runs."""
        return all(panel.pairs.complete for panel in self.panels)

    @property
    def verdict(self) -> Verdict | None:
        """Of all gates together; None without any."""
        return overall(self.gates) if self.gates else None

    def to_json(self) -> dict[str, Any]:
        """A JSON-able mapping, without episodes: they are in the two runs."""
        return {
            "baseline": _side(self.a),
            "candidate": _side(self.b),
            "complete": self.complete,
            "verdict": self.verdict and self.verdict.value,
            "notices": list(self.notices),
            "attempts": self.attempts,
            "panels": [_panel(panel) for panel in self.panels],
            "gates": [{**asdict(g), "verdict": g.verdict.value} for g in self.gates],
        }


def compare(
    baseline: Path,
    candidate: Path,
    *,
    panels: Sequence[str] = (),
    gates: Sequence[Wanted] = (),
    margin: float = 0.0,
) -> Comparison:
    """Compare two run folders, and judge the `gates` by `margin` (a fraction).

    Raises `NotComparableError` where the runs were played by other rules, share nothing, or one
    holds copies of the other's episodes and a gate is to judge it, and
    other `CoTGapError`s for folders that are no runs and names that are not there.
    """
    a, b = read_side(baseline), read_side(candidate)
    shared = share(a, b, panels)
    if gates:
        check_copies(a, b)
    pairs = pair(a, b, shared)
    if not gates and not any(one.tasks(mode) for one in pairs for mode in one.modes):
        raise NotComparableError(
            "no task has a score in both runs yet. Run the same commands again to finish them"
        )
    return Comparison(
        a=a,
        b=b,
        notices=shared.notices,
        panels=tuple(
            PanelComparison(one, tuple(differences(one)), tuple(flips(one))) for one in pairs
        ),
        gates=tuple(judge(pairs, gates, margin)) if gates else (),
    )


def _side(side: Side) -> dict[str, Any]:
    config = side.config
    return {"folder": str(side.folder), "digest": config.digest, "agent": dict(config.agent)}


def _panel(panel: PanelComparison) -> dict[str, Any]:
    shared = panel.pairs.panel
    return {
        "panel": shared.name,
        "lock": shared.lock,
        "tasks": len(shared.tasks),
        "complete": panel.pairs.complete,
        "lacking": {"baseline": panel.pairs.lacking[0], "candidate": panel.pairs.lacking[1]},
        "differences": [asdict(found) for found in panel.differences],
        "flips": [
            {
                "task": flip.task,
                "kind": flip.kind,
                "mode": flip.mode,
                "direction": flip.direction,
                "before": list(flip.before),
                "after": list(flip.after),
                "repeats": [flip.first.repeat, flip.second.repeat],
                "divergence": flip.divergence and asdict(flip.divergence),
            }
            for flip in panel.flips
        ],
    }

"""What verification found: each disagreement between what a submission says and what is so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from cotgap.benchmark.metrics.summary import PanelSummary
from cotgap.envs.schema import shown

Kind = Literal[
    # of a run's configuration
    "digest",  # the digest is not that of the configuration
    "agent",  # configuration and agent contradict each other
    "panel",  # no such panel
    "lock",  # the panel is another one here: tasks, wording, step limit or the suite's version
    "tasks",  # the tasks are not the first ones of the panel, in its order
    "config",  # a setting that no run has
    "card",  # what it says of panels that were trained on is not so
    # which episodes there are
    "missing",
    "unplanned",
    "duplicate",
    # of an episode
    "fingerprint",
    "protocol",
    "task_kind",
    "goal",
    "status",
    "score",
    "steps",
    "final_observation",
    "usage",
    # of a step
    "mode",
    "shadows",
    "raw",
    "action",
    "thought",
    "parse_error",
    "finish_reason",  # it does not go with the text
    "observation",
    "reward",
    "valid",
    "canonical",
    "cost_to_go",
    "environment",  # it failed
    # of what the checkpoint gave when it was asked again
    "redecoded",
    "tokens",  # the same text, but other counts or another end
]
KEPT = 20  # findings of a kind that are kept; the rest are counted


@dataclass(frozen=True)
class Finding:
    """A disagreement: the submission `said` this of the thing at `where`, and that was `found`."""

    kind: Kind
    where: str
    said: str
    found: str

    @classmethod
    def of(cls, kind: Kind, where: str, said: Any, found: Any) -> Finding:
        """With both values cut short, and made safe for a terminal."""
        if isinstance(said, str) and isinstance(found, str):
            said, found = _differing(said, found)
        return cls(kind, where, brief(said), brief(found))


@dataclass(frozen=True)
class Unplayable:
    """A panel that could not be replayed here: why, and the command that changes it."""

    panel: str
    episodes: int
    reason: str
    fix: str


@dataclass(frozen=True)
class Findings:
    """The outcome of a verification.

    `counts` says how many disagreements of each kind there are, `problems` holds the first `KEPT`
    of each. `episodes` and `steps` were replayed, `seconds` is the wall time of that. `summaries`
    holds the metrics of each run, recomputed from its replayed episodes; it is empty where there
    are disagreements.
    """

    problems: tuple[Finding, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    unplayable: tuple[Unplayable, ...] = ()
    episodes: int = 0
    steps: int = 0
    seconds: float = 0.0
    summaries: tuple[tuple[PanelSummary, ...], ...] = ()

    @property
    def verified(self) -> bool:
        """Whether everything was replayed and agreed."""
        return not self.counts and not self.unplayable


class Collector:
    """Keeps the first findings of each kind and counts the others."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._kept: list[Finding] = []

    def add(self, findings: Iterable[Finding]) -> None:
        """Take findings."""
        for finding in findings:
            self.counts[finding.kind] += 1
            if self.counts[finding.kind] <= KEPT:
                self._kept.append(finding)

    @property
    def kept(self) -> tuple[Finding, ...]:
        """In the order in which they came."""
        return tuple(self._kept)


def brief(value: Any) -> str:
    """A value in a line, safe on a terminal."""
    if isinstance(value, Mapping):
        return shown(str(dict(value)))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return shown(", ".join(map(str, value)))
    return shown(value)


def _differing(one: str, other: str) -> tuple[str, str]:
    """Two long texts from shortly before where they part."""
    lead = 20
    same = next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
    start = same - lead if same > 2 * lead else 0
    return ("…" if start else "") + one[start:], ("…" if start else "") + other[start:]

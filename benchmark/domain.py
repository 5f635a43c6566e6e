"""In-domain or out-of-domain: a relation between a checkpoint and a panel.

A checkpoint's card lists what it was trained on; everything else is OOD along a named axis. A
panel alone is neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cotgap.envs.core import CoTGapError, Panel
from cotgap.envs.registry import get_panel

EXAMPLE = 'Give the names of panels, such as "trained_on": ["household/train"], or their facts.'


@dataclass(frozen=True)
class Relation:
    """`axes`: along which the panel is OOD for the checkpoint; none are in-domain.

    `known` is False for a checkpoint without an account of its training. `seen`: the panel's very
    tasks were trained on.
    """

    axes: tuple[str, ...] = ()
    known: bool = True
    seen: bool = False

    @property
    def in_domain(self) -> bool:
        """Whether the panel is like what was trained on."""
        return self.known and not self.axes

    @property
    def ood(self) -> bool:
        """Whether it is unlike."""
        return self.known and bool(self.axes)

    def __str__(self) -> str:
        if not self.known:
            return "unknown"
        if self.axes:
            return f"OOD: {', '.join(self.axes)}"
        return "in-domain, trained on" if self.seen else "in-domain"


def relate(card: Mapping[str, Any], panel: Panel) -> Relation:
    """What a panel is to the checkpoint of this card (see `cotgap.agents.training.checkpoints`)."""
    trained = trained_on(card)
    if not trained:
        return Relation(known=False)
    of_suite = [facts for facts in trained if facts["suite"] == panel.suite]
    if not of_suite:
        return Relation(axes=("suite",))
    panels = [known for facts in of_suite if (known := _known(facts["panel"]))]
    axes = []
    if {task.kind for task in panel.tasks} - {k for facts in of_suite for k in facts["kinds"]}:
        axes.append("task type")
    if panel.wording not in {facts["wording"] for facts in of_suite}:
        axes.append("wording")
    elif panel.variant not in {one.variant for one in panels}:
        axes.append("simplifications")
    # What holds out task types or a wording has said it above, or was trained on in other panels.
    if panel.holds_out not in ("", "task", "wording", *(one.holds_out for one in panels)):
        axes.append(panel.holds_out)
    return Relation(tuple(axes), seen=panel.name in {facts["panel"] for facts in of_suite})


def trained_on(card: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Everything that a checkpoint, and the one it started from, was trained on.

    A panel's name stands for all facts of it. Raises `CoTGapError` for what is neither a name nor
    facts, and for a name that is not known.
    """
    found = []
    for one in (card, card.get("parent") or {}):
        listed = (one.get("trained_on") if isinstance(one, Mapping) else one) or []
        if not isinstance(listed, list | tuple):
            raise CoTGapError(f"trained_on {listed!r:.80} is no list. {EXAMPLE}")
        found += [_facts(entry) for entry in listed]
    return found


def panel_facts(name: str) -> dict[str, Any]:
    """What a card says of a panel that was trained on; raises `CoTGapError` for another name."""
    panel = get_panel(name)
    return {
        "suite": panel.suite,
        "panel": panel.name,
        "kinds": sorted({task.kind for task in panel.tasks}),
        "wording": panel.wording,
        "suite_version": panel.version,
        "lock": panel.lock,
    }


def _facts(entry: Any) -> Mapping[str, Any]:
    if isinstance(entry, str):
        return panel_facts(entry)
    if isinstance(entry, Mapping):
        texts = all(isinstance(entry.get(name), str) for name in ("suite", "panel", "wording"))
        kinds = entry.get("kinds")
        if texts and isinstance(kinds, list | tuple) and all(isinstance(k, str) for k in kinds):
            return entry
    raise CoTGapError(f"trained_on holds {entry!r:.80}. {EXAMPLE}")


def reference(panel: str) -> str:
    """The panel that lacks what `panel` holds out, as its suite says; empty where there is none."""
    known = _known(panel)
    return known.reference if known else ""


def _known(name: str) -> Panel | None:
    """The panel of that name; None for one that this version does not have."""
    try:
        return get_panel(name)
    except CoTGapError:
        return None

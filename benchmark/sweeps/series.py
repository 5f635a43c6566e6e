"""Which checkpoints a sweep is over, and in which order."""

from __future__ import annotations

import glob
import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cotgap.agents.training.checkpoints import CARD, read_card
from cotgap.benchmark.domain import trained_on
from cotgap.envs.core import CoTGapError


@dataclass(frozen=True)
class Checkpoint:
    """One of a series. `label` names it within the sweep, `step` orders it within its series.

    `mask_fraction` is the share of examples that it learned without a loss on their action; None
    for a checkpoint without a card.
    """

    path: Path
    label: str
    step: int
    mask_fraction: float | None = None
    card: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def series(self) -> str:
        """Those with the same one are compared over steps."""
        return "all" if self.mask_fraction is None else f"k={self.mask_fraction:g}"


def find(patterns: Sequence[str], order: Sequence[str]) -> list[Checkpoint]:
    """The checkpoints that the patterns match, by series and step.

    `order` names them (folder names, first to last) where cards do not say their steps. Raises
    `CoTGapError` for patterns without a checkpoint, for cards that are missing without `order`,
    and for two checkpoints of one step in a series.
    """
    paths = sorted({Path(found) for pattern in patterns for found in _matches(pattern)})
    if not paths:
        raise CoTGapError(
            f"--checkpoints {' '.join(patterns)}: no checkpoint there. Give folders that models "
            "were saved to, such as 'runs/masked/step-*' (in quotes, or let the shell expand it)"
        )
    cards = {path: read_card(path) if path.is_dir() else {} for path in paths}
    for path, card in cards.items():
        _check(path, card)
    steps = _ordered(paths, order) if order else _by_card(paths, cards)
    root = Path(os.path.commonpath([path.resolve().parent for path in paths]))
    found = [
        Checkpoint(
            path=path,
            label="-".join(path.resolve().relative_to(root).parts),
            step=steps[path],
            mask_fraction=_mask_fraction(cards[path]),
            card=cards[path],
        )
        for path in paths
    ]
    found.sort(key=lambda one: (one.series, one.step))
    for one, other in itertools.pairwise(found):
        if (one.series, one.step) == (other.series, other.step):
            raise CoTGapError(
                f"{one.path} and {other.path} are both step {one.step} of series {one.series}. "
                "Leave one out, or tell them apart by --order"
            )
    return found


def _matches(pattern: str) -> list[str]:
    """What a pattern names that looks like a checkpoint."""
    return [
        path
        for path in glob.glob(os.path.expanduser(pattern))
        if path.endswith(".gguf")
        or any((Path(path) / name).is_file() for name in ("config.json", "adapter_config.json"))
    ]


def _by_card(paths: Sequence[Path], cards: Mapping[Path, Mapping[str, Any]]) -> dict[Path, int]:
    for path in paths:
        step = cards[path].get("step", 0)
        if not isinstance(step, int) or step < 0:
            raise CoTGapError(f"{path / CARD}: step {step!r:.40} is no number of updates")
    without = [path for path in paths if "step" not in cards[path]]
    if without:
        names = ",".join(path.name for path in paths)
        raise CoTGapError(
            f"{', '.join(map(str, without))}: no {CARD} with a step, so their order is not known. "
            f"Give it: --order {names} (first to last)"
        )
    return {path: int(cards[path]["step"]) for path in paths}


def _ordered(paths: Sequence[Path], order: Sequence[str]) -> dict[Path, int]:
    names = [path.name for path in paths]
    if sorted(names) != sorted(order) or len(set(order)) < len(order):
        raise CoTGapError(
            f"--order {','.join(order)} does not name each checkpoint once. "
            f"There are: {', '.join(names)}"
        )
    return {path: order.index(path.name) + 1 for path in paths}


def _check(path: Path, card: Mapping[str, Any]) -> None:
    """Raise `CoTGapError` for a card that a sweep could not use in the end."""
    try:
        trained_on(card)
        fraction = _mask_fraction(card)
    except (CoTGapError, AttributeError) as error:
        raise CoTGapError(f"{path / CARD}: {error}") from error
    if fraction is not None and not (isinstance(fraction, int | float) and 0 <= fraction <= 1):
        raise CoTGapError(f"{path / CARD}: action_mask_fraction {fraction!r:.40} is no share")


def _mask_fraction(card: Mapping[str, Any]) -> float | None:
    fraction: float | None = (card.get("config") or {}).get("action_mask_fraction")
    return fraction

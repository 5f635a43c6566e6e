"""The ALFWorld suite: its panels and its environment."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cotgap.envs.alfworld.data import (
    FIX,
    LAYOUT,
    SPLITS,
    check_split,
    check_tasks,
    data_folder,
    load_task,
    read_games,
)
from cotgap.envs.core import Availability, CoTGapError, Finding, Panel, Suite, Task
from cotgap.envs.household.env import HouseholdEnv
from cotgap.envs.household.game import load_game
from cotgap.envs.household.wording import WORDINGS, instructions

CURRENT = "current"
FILE = "file"
HELD_OUT = ("pick_cool_then_place_in_recep", "pick_two_obj_and_place")
DESCRIPTIONS = {
    "train": "ALFWorld's training games",
    "valid_seen": "ALFWorld's games in rooms seen in training",
    "valid_unseen": "ALFWorld's games in rooms never seen in training",
    "paper_train": "arXiv 2606.26935: train without cool & place and pick two",
    "paper_id": "arXiv 2606.26935: valid_seen without cool & place and pick two (in-domain)",
    "paper_ood": "arXiv 2606.26935: valid_seen, only cool & place and pick two (OOD: task type)",
    FILE: "a single file",
}
HOLDS_OUT = {"valid_unseen": ("layout", "valid_seen"), "paper_ood": ("task", "paper_id")}
"""Split → the axis along which it differs from training, and the split that does not."""


class ALFWorldSuite(Suite):
    """ALFWorld's text games, exactly as the stock engine plays them."""

    name = "alfworld"
    version = "1"
    step_limit = 50
    provenance = (
        "ALFWorld 0.4 games (MIT), arXiv 2010.03768; success: the game's own goal; "
        "data by alfworld-download"
    )

    @functools.cached_property
    def panels(self) -> Mapping[str, Panel]:
        """The official splits, the paper's split, each by kind (`:`) and by wording (`@`).

        A panel is in the wording of current releases ("move X to Y") whatever the files at hand
        carry; `@older` is that of data before 0.4 ("put X in/on Y"), `@package` what
        `alfworld-generate` writes.
        """
        games = read_games()
        lists = {
            **games,
            "paper_train": tuple(t for t in games["train"] if t.kind not in HELD_OUT),
            "paper_id": tuple(t for t in games["valid_seen"] if t.kind not in HELD_OUT),
            "paper_ood": tuple(t for t in games["valid_seen"] if t.kind in HELD_OUT),
        }
        panels = {split: self._panel(split, tasks) for split, tasks in lists.items()}
        for split in SPLITS:
            for wording in sorted(set(WORDINGS) - {CURRENT}):
                panel = self._panel(split, games[split], wording=wording)
                panels[panel.split] = panel
        for split in SPLITS:
            for kind in sorted({task.kind for task in games[split]}):
                tasks = tuple(task for task in games[split] if task.kind == kind)
                panels[f"{split}:{kind}"] = self._panel(split, tasks, kind=kind)
        return panels

    def make(
        self,
        panel: Panel | None = None,
        *,
        game: str | Path | None = None,
        wording: str = "file",
        **options: Any,
    ) -> HouseholdEnv:
        """An environment over `panel` (default: valid_unseen), or over the single file `game`.

        `wording` applies to a single file; "file" keeps the file's own. Raises `BadGame` for a
        file that is not a playable game; a panel's missing or changed game raises
        `TaskUnavailableError` when it is started.
        """
        if game is not None:
            if panel is not None:
                raise CoTGapError("give either a split or game=PATH, not both")
            single = load_game(game, wording)
            content = Task(Path(game).name, single.content_hash)
            return HouseholdEnv(
                self._panel(FILE, (content,), wording=single.revision),
                lambda task: single,
                **options,
            )
        if wording != "file":
            raise CoTGapError(
                f"wording={wording!r} is for a single game; for a panel, choose one of "
                + ", ".join(split for split in self.panels if "@" in split)
            )
        panel = panel or self.panels["valid_unseen"]
        return HouseholdEnv(panel, functools.partial(load_task, panel), **options)

    def availability(self) -> Availability:
        """Whether the data folder is there."""
        folder = data_folder() / LAYOUT
        if folder.is_dir():
            return Availability(usable=True)
        where = "$ALFWORLD_DATA" if os.environ.get("ALFWORLD_DATA") else "the default place"
        return Availability(False, f"no games at {folder} ({where})", FIX)

    def check(self, panel: Panel, tasks: Sequence[str]) -> None:
        """Load every game; raise `TaskUnavailableError` naming those missing or changed."""
        check_tasks(panel, tasks)

    def diagnose(self) -> Iterator[Finding]:
        """Looks at every game of every official split."""
        yield from super().diagnose()
        if self.availability().usable:
            yield Finding("ok", f"data at {data_folder() / LAYOUT}")
            for split in SPLITS:
                yield from check_split(self.panels[split])

    def _panel(
        self, base: str, tasks: tuple[Task, ...], *, kind: str = "", wording: str = CURRENT
    ) -> Panel:
        variant = "" if wording == CURRENT or base == FILE else wording
        suffix = (kind and f":{kind}") + (variant and f"@{variant}")
        axis, inside = HOLDS_OUT.get(base, ("", ""))
        train = "paper_train" if base.startswith("paper_") else "train"
        return Panel(
            suite=self.name,
            split=base + suffix,
            tasks=tasks,
            version=self.version,
            step_limit=self.step_limit,
            instructions=instructions(WORDINGS[wording]),
            example=WORDINGS[wording].goto.format(r="cabinet 1"),
            wording=wording,
            shots_from=train + (variant and f"@{variant}"),
            description=DESCRIPTIONS[base] + (suffix and f" ({suffix})"),
            base=base if suffix else "",
            variant=variant,
            holds_out=axis,
            compared_with=inside and inside + suffix,
        )


SUITE = ALFWorldSuite()

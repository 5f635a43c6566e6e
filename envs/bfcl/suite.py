"""The BFCL suite: its panels."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cotgap.envs.bfcl.data import (
    DOCS,
    PACKAGE,
    SPLITS,
    VERSION,
    availability,
    check_split,
    check_tasks,
    load_item,
    read_items,
)
from cotgap.envs.bfcl.env import INSTRUCTIONS, BFCLEnv
from cotgap.envs.bfcl.episode import MAX_STEPS
from cotgap.envs.core import Availability, Finding, Panel, Suite, SuiteUnavailableError, Task

MOST_TURNS = {"base": 7, "miss_func": 8, "miss_param": 8, "long_context": 7}
EXAMPLE = '[set_alarm(time="7:30", days=["Mon", "Tue"]), list_alarms()]'
DESCRIPTIONS = {
    "base": "multi-turn function calling (in-domain in arXiv 2606.26935)",
    "miss_func": "base, but a function that is needed appears one turn late",
    "miss_param": "base, but the user leaves something out and adds it one turn later",
    "long_context": "base, in much longer results (OOD in arXiv 2606.26935)",
}
HOLDS_OUT = {"miss_func": "category", "miss_param": "category", "long_context": "context"}
"""Split → the axis along which it differs from `base`."""


class BFCLSuite(Suite):
    """The multi-turn categories of the Berkeley Function-Calling Leaderboard."""

    name = "bfcl"
    version = f"1+{PACKAGE}-{VERSION}"
    step_limit = (MAX_STEPS + 1) * max(MOST_TURNS.values())
    provenance = (
        f"BFCL V4 multi-turn from {PACKAGE} {VERSION} (Apache-2.0), Patil et al., ICML 2025; "
        "success: the package's multi_turn_checker"
    )

    @functools.cached_property
    def panels(self) -> Mapping[str, Panel]:
        """The four categories, each also narrowed to the tasks that involve a backend (`:`).

        Task n of each category is one conversation in four variants. BFCL has no training split,
        so examples come from `base`; a task is never shown its own conversation, because that has
        the same number. A checkpoint trained on `base` has seen the conversations of
        `long_context`, though not its results.
        """
        items = read_items()
        panels = {split: self._panel(split, items[split]) for split in SPLITS}
        for split in SPLITS:
            for backend in DOCS:
                tasks = tuple(t for t in items[split] if backend in t.kind.split("+"))
                panels[f"{split}:{backend}"] = self._panel(split, tasks, backend)
        return panels

    def make(self, panel: Panel | None = None, **options: Any) -> BFCLEnv:
        """An environment over `panel`, `bfcl/base` by default.

        Raises `SuiteUnavailableError` without the package; a task that is not what the panel says
        raises `TaskUnavailableError` when it is started.
        """
        now = self.availability()
        if not now.usable:
            raise SuiteUnavailableError(self.name, now.reason, now.fix)
        panel = panel or self.panels["base"]
        return BFCLEnv(panel, functools.partial(load_item, panel), **options)

    def availability(self) -> Availability:
        """Whether the package is there, in the right version; imports nothing of it."""
        return availability()

    def check(self, panel: Panel, tasks: Sequence[str]) -> None:
        """Raise `TaskUnavailableError` for the first task that is missing or changed."""
        check_tasks(panel, tasks)

    def diagnose(self) -> Iterator[Finding]:
        """Looks at every task of every category."""
        yield from super().diagnose()
        if self.availability().usable:
            for split in SPLITS:
                yield from check_split(self.panels[split])

    def _panel(self, base: str, tasks: tuple[Task, ...], backend: str = "") -> Panel:
        suffix = backend and f":{backend}"
        axis = HOLDS_OUT.get(base, "")
        return Panel(
            suite=self.name,
            split=base + suffix,
            tasks=tasks,
            version=self.version,
            # Every turn may take all its steps, and one more to end it: nothing is truncated.
            step_limit=(MAX_STEPS + 1) * MOST_TURNS[base],
            instructions=INSTRUCTIONS,
            example=EXAMPLE,
            shots_from="base",
            description=DESCRIPTIONS[base] + (backend and f" (only with {backend})"),
            base=base if backend else "",
            holds_out=axis,
            compared_with=f"base{suffix}" if axis else "",
        )


SUITE = BFCLSuite()

"""What a person sees while a run goes on: a live line, or a line now and then off a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from time import monotonic
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.rollout.runner import Tally

PLAIN_SECONDS = 15.0  # between two lines where there is no terminal


class LiveProgress:
    """Shows episodes, steps/s, success so far per mode and the time left; a context manager."""

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet
        self._live = console.is_terminal and not quiet
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TextColumn("{task.fields[success]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not self._live,
            expand=True,
        )
        self._tally = Tally()
        self._steps = 0
        self._done = 0
        self._begun = self._spoken = monotonic()

    def __enter__(self) -> LiveProgress:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def on_start(self, planned: int, before: Tally, notices: Sequence[str]) -> None:
        """Totals, and what is already on disk."""
        self._total, self._done = planned, before.scored.total()
        self._tally = Tally(Counter(before.won), Counter(before.scored))
        self._task = self._bar.add_task(
            "episodes", total=planned, completed=self._done, rate="", success=""
        )
        for notice in notices:
            self._say(notice)
        if self._done or before.unscored:
            self._say(f"resuming: {self._done} of {planned} episodes are already on disk")

    def on_step(self) -> None:
        """Count a step; refresh what is shown."""
        self._steps += 1
        self._bar.update(self._task, rate=f"{self._rate():,.0f} steps/s")
        if not self._live and monotonic() - self._spoken > PLAIN_SECONDS:
            self._speak()

    def on_episode(self, episode: Episode) -> None:
        """Count an episode."""
        self._done += 1
        self._tally.add(episode.mode, episode.status)
        if not episode.status.scored:
            first = (episode.error or "").splitlines()[:1]
            self._say(f"{episode.status.value} in {episode.task_key}: {' '.join(first)}")
        self._bar.update(self._task, completed=self._done, success=self._success())
        if not self._live and self._done == self._total:
            self._speak()

    def _rate(self) -> float:
        return self._steps / max(monotonic() - self._begun, 1e-6)

    def _success(self) -> str:
        tally = self._tally
        parts = [
            f"{mode} {tally.won[mode]}/{n} won" for mode, n in sorted(tally.scored.items()) if n
        ]
        return ", ".join(parts + ([f"{tally.unscored} unscored"] if tally.unscored else []))

    def _speak(self) -> None:
        self._spoken = monotonic()
        done = f"{self._done}/{self._total} episodes"
        self._say(f"{done}, {self._steps} steps ({self._rate():,.1f}/s), {self._success()}")

    def _say(self, text: str) -> None:
        if not self._quiet:
            self._console.print(text, style="dim", markup=False, highlight=False)

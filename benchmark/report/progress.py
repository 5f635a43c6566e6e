"""What a person sees while a run goes on: a live line, or a line now and then off a terminal."""

from __future__ import annotations

from collections import defaultdict
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
from cotgap.benchmark.rollout.episode import Job

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
        self._scores: dict[str, list[bool]] = defaultdict(list)
        self._unscored = 0
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

    def on_start(
        self, jobs: Sequence[Job], before: Sequence[Episode], notices: Sequence[str]
    ) -> None:
        """Totals, and what is already on disk."""
        scored = [episode for episode in before if episode.status.scored]
        self._total, self._done = len(jobs), len(scored)
        for episode in scored:
            self._scores[episode.mode].append(episode.success)
        self._task = self._bar.add_task(
            "episodes", total=len(jobs), completed=len(scored), rate="", success=""
        )
        for notice in notices:
            self._say(notice)
        if before:
            self._say(f"resuming: {len(scored)} of {len(jobs)} episodes are already on disk")

    def on_step(self) -> None:
        """Count a step; refresh what is shown."""
        self._steps += 1
        self._bar.update(self._task, rate=f"{self._rate():,.0f} steps/s")
        if not self._live and monotonic() - self._spoken > PLAIN_SECONDS:
            self._speak()

    def on_episode(self, episode: Episode) -> None:
        """Count an episode."""
        self._done += 1
        if episode.status.scored:
            self._scores[episode.mode].append(episode.success)
        else:
            self._unscored += 1
            first = (episode.error or "").splitlines()[:1]
            self._say(f"{episode.status.value} in {episode.task_key}: {' '.join(first)}")
        self._bar.update(self._task, completed=self._done, success=self._success())
        if not self._live and self._done == self._total:
            self._speak()

    def _rate(self) -> float:
        return self._steps / max(monotonic() - self._begun, 1e-6)

    def _success(self) -> str:
        parts = [
            f"{mode} {sum(wins)}/{len(wins)} won" for mode, wins in sorted(self._scores.items())
        ]
        return ", ".join(parts + ([f"{self._unscored} unscored"] if self._unscored else []))

    def _speak(self) -> None:
        self._spoken = monotonic()
        done = f"{self._done}/{self._total} episodes"
        self._say(f"{done}, {self._steps} steps ({self._rate():,.1f}/s), {self._success()}")

    def _say(self, text: str) -> None:
        if not self._quiet:
            self._console.print(text, style="dim", markup=False, highlight=False)

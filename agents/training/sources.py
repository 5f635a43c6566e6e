"""Where training episodes come from: panels, played as they are needed, and files.

A source is random access: episode number n is always the same one. So a background process can
make batches ahead, and a resumed run goes on where it stopped.
"""

from __future__ import annotations

import functools
import hashlib
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from cotgap.agents.training.data import Episode, play, read_jsonl
from cotgap.agents.training.masking import checked_share
from cotgap.envs.core import CoTGapError, Endless, TextEnv
from cotgap.envs.registry import get_panel, get_suite

HELD_OUT = 48  # episodes at most that are kept for measuring
# Tasks without end are held out from this number on.
FAR = 2**30


class Source(Protocol):
    """Numbered episodes; every number has one, or None where the expert did not win."""

    def episode(self, number: int) -> Episode | None:
        """Episode `number` (from 0, without end)."""

    def held_out(self) -> list[Episode]:
        """Episodes whose tasks no number gives."""

    def describe(self) -> list[dict[str, Any]]:
        """What a card says: for each panel its name, task kinds, wording, lock or digest."""


class PanelSource:
    """The expert's episodes on a panel, in another order and with other noise each time around.

    A tenth of the tasks (`HELD_OUT` at most) are held out. Where the panel has tasks without end,
    those are played instead, each once.
    """

    def __init__(self, panel: str, noise: float, seed: int) -> None:
        self.panel, self.noise, self.seed = get_panel(panel), checked_share("noise", noise), seed
        now = get_suite(self.panel.suite).availability()
        if not now.usable:
            raise CoTGapError(f"panel {panel} is not usable: {now.reason}. To fix it: {now.fix}")
        names = [task.id for task in self.panel.tasks]
        random.Random(f"held out|{seed}").shuffle(names)
        split = min(HELD_OUT, -(-len(names) // 10))
        self._held, self._listed = sorted(names[:split]), names[split:]
        if not self._listed:
            raise CoTGapError(f"{panel} has {len(names)} tasks, too few to train and measure on")
        self._env: TextEnv | None = None

    @property
    def tasks(self) -> int | None:
        """How many different tasks are numbered (None: no end)."""
        return None if isinstance(self.panel, Endless) else len(self._listed)

    def episode(self, number: int) -> Episode | None:
        """See `Source`."""
        if isinstance(self.panel, Endless):
            return self._play(self.panel.unlisted(number), self.seed)
        epoch, place = divmod(number, len(self._listed))
        task = self._listed[_order(len(self._listed), self.seed, epoch)[place]]
        return self._play(task, self.seed + epoch)

    def held_out(self) -> list[Episode]:
        """See `Source`."""
        tasks = self._held
        if isinstance(self.panel, Endless):
            tasks = [self.panel.unlisted(FAR + number) for number in range(HELD_OUT)]
        played = (self._play(task, self.seed) for task in tasks)
        return [episode for episode in played if episode is not None]

    def describe(self) -> list[dict[str, Any]]:
        """See `Source`."""
        panel = self.panel
        facts = {
            "suite": panel.suite,
            "panel": panel.name,
            "kinds": sorted({task.kind for task in panel.tasks}),
            "wording": panel.wording,
            "endless": self.tasks is None,
            "held_out_tasks": [] if self.tasks is None else self._held,
            "noise": self.noise,
            "suite_version": panel.version,
            "lock": panel.lock,
        }
        return [facts]

    def _play(self, task: str, seed: int) -> Episode | None:
        if self._env is None:
            self._env = get_suite(self.panel.suite).make(self.panel, list_actions=False)
        return play(self._env, task, noise=self.noise, seed=seed)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_env": None}  # another process makes its own


class FileSource:
    """The episodes of a JSONL file, in another order each time around; a tenth is held out."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path, self.seed = path, seed
        episodes = list(read_jsonl(path))
        random.Random(f"held out|{seed}").shuffle(episodes)
        held = {episode.task_key for episode in episodes[: min(HELD_OUT, -(-len(episodes) // 10))]}
        self._held = [episode for episode in episodes if episode.task_key in held]
        self._episodes = [episode for episode in episodes if episode.task_key not in held]
        if not self._episodes:
            raise CoTGapError(f"{path} holds {len(episodes)} episodes, too few to train on")
        self.digest = hashlib.sha256(path.read_bytes()).hexdigest()

    def episode(self, number: int) -> Episode:
        """See `Source`."""
        epoch, place = divmod(number, len(self._episodes))
        return self._episodes[_order(len(self._episodes), self.seed, epoch)[place]]

    def held_out(self) -> list[Episode]:
        """See `Source`."""
        return self._held[:HELD_OUT]

    def describe(self) -> list[dict[str, Any]]:
        """See `Source`."""
        facts = []
        for name in sorted({episode.panel for episode in self._episodes}):
            of_panel = [episode for episode in self._episodes if episode.panel == name]
            facts.append(
                {
                    "suite": name.partition("/")[0],
                    "panel": name,
                    "kinds": sorted({episode.kind for episode in of_panel}),
                    "wording": get_panel(name).wording,
                    "endless": False,
                    "episodes": len(of_panel),
                    "noise": max(episode.noise for episode in of_panel),
                    "file_sha256": self.digest,
                }
            )
        return facts


@functools.lru_cache(maxsize=8)
def _order(count: int, seed: int, epoch: int) -> tuple[int, ...]:
    order = list(range(count))
    random.Random(f"{seed}|{epoch}").shuffle(order)
    return tuple(order)


class Mixed:
    """Several sources, in turn."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources

    def episode(self, number: int) -> Episode | None:
        """See `Source`."""
        place, which = divmod(number, len(self._sources))
        return self._sources[which].episode(place)

    def held_out(self) -> list[Episode]:
        """See `Source`; no more than one source alone would give."""
        share = -(-HELD_OUT // len(self._sources))
        return [episode for source in self._sources for episode in source.held_out()[:share]]

    def describe(self) -> list[dict[str, Any]]:
        """See `Source`."""
        return [facts for source in self._sources for facts in source.describe()]


def open_sources(panels: Sequence[str], files: Sequence[Path], noise: float, seed: int) -> Source:
    """The files, or else the panels; raises `CoTGapError` for what is missing or wrong."""
    sources: list[Source] = [FileSource(path, seed) for path in files]
    sources = sources or [PanelSource(name, noise, seed) for name in panels]
    return sources[0] if len(sources) == 1 else Mixed(sources)


def digest(source: Source) -> str:
    """SHA-256 (hex) over what is described: all that decides the episodes, but not their order."""
    text = json.dumps(source.describe(), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def openings(panels: Sequence[str], count: int = 64) -> list[str]:
    """The first observations of every panel of the suites that `panels` belong to.

    For vocabularies: they hold the names that a panel outside of training will use.
    """
    texts = []
    for suite in (get_suite(name) for name in sorted({name.partition("/")[0] for name in panels})):
        for panel in suite.panels.values():
            try:
                env = suite.make(panel, list_actions=False)
                tasks = [task.id for task in panel.tasks[:count]]
                texts += [env.reset(options={"task": task})[0] for task in tasks]
            except CoTGapError:  # a panel without its data has nothing to say
                continue
    return texts

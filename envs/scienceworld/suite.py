"""The ScienceWorld suite: its tasks, topics and panels."""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from cotgap.envs.core import Availability, Finding, Panel, Suite, SuiteUnavailableError, Task
from cotgap.envs.scienceworld import java
from cotgap.envs.scienceworld.actions import instructions
from cotgap.envs.scienceworld.env import TO_WIN, ScienceWorldEnv

TASKS = Path(__file__).with_name("tasks.tsv")
SPLITS = ("train", "dev", "test")
MOST = 10  # variations of a task in a balanced panel
TOPICS = {
    1: "matter",
    2: "measurement",
    3: "electricity",
    4: "classification",
    5: "growth",
    6: "chemistry",
    7: "lifespan",
    8: "life-stages",
    9: "forces",
    10: "genetics",
}
"""The ten topics of the ScienceWorld paper (arXiv 2203.07540), by the first number of a task's id.

Topics 5, 7, 8 and 10 are all called Biology there; here they are named by what they are about.
"""
EASY = "easy"
NONE = "none"
DESCRIPTIONS = {
    "train": "official train variations, at most 10 of each task",
    "dev": "official dev variations, at most 10 of each task",
    "test": "official test variations, at most 10 of each task",
    "train:full": "all official train variations",
    "dev:full": "all official dev variations",
    "test:full": "all official test variations",
    "paper_train": "arXiv 2606.26935: train:full without the last task of each topic",
    "paper_id": "arXiv 2606.26935: test without the last task of each topic (in-domain)",
    "paper_ood": "arXiv 2606.26935: test, only the last task of each topic (OOD: task type)",
}


@dataclass(frozen=True)
class TaskType:
    """One of the 30 tasks: `id` as in the paper ("3-2"), its variations by official split."""

    id: str
    name: str
    variations: Mapping[str, range]

    @property
    def topic(self) -> str:
        """One of `TOPICS`."""
        return TOPICS[int(self.id.partition("-")[0])]

    @property
    def number(self) -> int:
        """Its place within the topic, from 1."""
        return int(self.id.partition("-")[2])


def _started() -> java.Simulator:
    """A simulator; raises `SuiteUnavailableError` where none starts."""
    try:
        return java.pool().take()
    except java.SimulatorLostError as error:
        fix = "run it again; where it happens again, look for what ends Java (such as short memory)"
        raise SuiteUnavailableError(java.SUITE_NAME, str(error), fix) from error


def read_task_types() -> tuple[TaskType, ...]:
    """The tasks in the paper's order, from the list that this project carries."""
    types = []
    for line in TASKS.read_text(encoding="ascii").splitlines():
        task_id, name, *counts = line.split("\t")
        variations, start = {}, 0
        for split, count in zip(SPLITS, map(int, counts), strict=True):
            variations[split] = range(start, start := start + count)
        types.append(TaskType(task_id, name, variations))
    return tuple(types)


def balanced(variations: range) -> list[int]:
    """At most `MOST` variations, evenly spread, because neighbours differ in little but a name."""
    count = min(MOST, len(variations))
    return [variations[number * len(variations) // count] for number in range(count)]


def _tasks(types: Sequence[TaskType], split: str, *, full: bool = False) -> tuple[Task, ...]:
    """The items of a panel, with tasks and topics taking turns.

    So the first n items are a fair sample of the panel.
    """
    by_turn = sorted(types, key=lambda kind: kind.number)
    lists = [
        [_task(kind.name, variation) for variation in (every if full else balanced(every))]
        for kind in by_turn
        for every in [kind.variations[split]]
    ]
    turns = chain.from_iterable(zip_longest(*lists))
    return tuple(task for task in turns if task is not None)


def _task(name: str, variation: int) -> Task:
    content = f"{java.JAR_SHA256}\n{name}\n{variation}"
    return Task(f"{name}/{variation}", hashlib.sha256(content.encode()).hexdigest(), name)


class ScienceWorldSuite(Suite):
    """ScienceWorld's thirty tasks, played by its own simulator."""

    name = "scienceworld"
    version = f"{java.VERSION}-1"
    """The simulator's release, and the revision of how it is run here."""
    step_limit = 100
    score_range = (0.0, float(TO_WIN))
    extra = "scienceworld"
    costly = True
    provenance = (
        f"ScienceWorld {java.VERSION} (Apache 2.0), arXiv 2203.07540; success: the simulator's "
        "score is 100"
    )

    @functools.cached_property
    def panels(self) -> Mapping[str, Panel]:
        """The official splits and the paper's; `:` says which tasks, `@` how they are played.

        Panels use the simplifications `easy` (doors are open, teleporting is possible, flower
        pots water themselves, no wiring where the task needs none); `@none` panels none at all.
        """
        types = read_task_types()
        last = {kind.topic: kind.name for kind in types}.values()
        seen = [kind for kind in types if kind.name not in last]
        held_out = [kind for kind in types if kind.name in last]
        lists = {split: _tasks(types, split) for split in ("test", "dev", "train")}
        lists["paper_train"] = _tasks(seen, "train", full=True)
        lists["paper_id"] = _tasks(seen, "test")
        lists["paper_ood"] = _tasks(held_out, "test")
        panels = [self._panel(split, tasks) for split, tasks in lists.items()]
        panels += [self._panel(split, tasks, variant=NONE) for split, tasks in lists.items()]
        for split in ("test", "dev", "train"):
            panels.append(self._panel(split, _tasks(types, split, full=True), part="full"))
        parts = {topic: [t for t in types if t.topic == topic] for topic in TOPICS.values()}
        parts |= {kind.name: [kind] for kind in types}
        for part, chosen in parts.items():
            panels.append(self._panel("test", _tasks(chosen, "test"), part=part))
        return {panel.split: panel for panel in panels}

    def make(self, panel: Panel | None = None, **options: Any) -> ScienceWorldEnv:
        """An environment over `panel`, `scienceworld/test` by default.

        Raises `SuiteUnavailableError` where the package, its version or Java is not right.
        """
        now = self.availability()
        if not now.usable:
            raise SuiteUnavailableError(self.name, now.reason, now.fix)
        return ScienceWorldEnv(panel or self.panels["test"], **options)

    def availability(self) -> Availability:
        """Whether the package is the locked one and there is a Java."""
        return java.availability()

    def check(self, panel: Panel, tasks: Sequence[str]) -> None:
        """Names must be the panel's; the jar must be the locked one, and Java must start."""
        super().check(panel, tasks)
        java.give_back(_started())

    def diagnose(self) -> Iterator[Finding]:
        """Starts the simulator."""
        yield from super().diagnose()
        if not self.availability().usable:
            return
        started = time.perf_counter()
        try:
            simulator = _started()
        except SuiteUnavailableError as error:
            yield Finding("problem", error.reason, error.fix)
            return
        java.give_back(simulator)
        machine = simulator.machine
        yield Finding(
            "ok",
            f"scienceworld {java.VERSION}, started in {time.perf_counter() - started:.1f} s by "
            f"Java {machine.java_version} ({machine.command})",
        )

    def _panel(
        self, base: str, tasks: tuple[Task, ...], *, part: str = "", variant: str = ""
    ) -> Panel:
        suffix = (part and f":{part}") + (variant and f"@{variant}")
        description = DESCRIPTIONS.get(f"{base}:{part}") or DESCRIPTIONS[base]
        if part and f"{base}:{part}" not in DESCRIPTIONS:
            description += f" ({part})"
        train = "paper_train" if base.startswith("paper_") else "train"
        return Panel(
            suite=self.name,
            split=base + suffix,
            tasks=tasks,
            version=self.version,
            step_limit=self.step_limit,
            instructions=instructions(teleport=variant != NONE),
            example="open door to kitchen",
            simplifications="" if variant == NONE else EASY,
            description=description + (" (no simplifications)" if variant == NONE else ""),
            shots_from=train + (variant and f"@{variant}"),
            base=base if suffix else "",
            variant=variant,
            holds_out="task" if base == "paper_ood" else "",
            compared_with=f"paper_id{suffix}" if base == "paper_ood" else "",
        )


SUITE = ScienceWorldSuite()

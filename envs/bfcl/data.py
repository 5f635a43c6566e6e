"""The tasks in the package's files, and whether they are those that the panels list.

Reading the files imports nothing of the package.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.util
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cotgap.envs.core import Availability, Finding, Panel, Task, TaskUnavailableError

PACKAGE = "bfcl-eval"
VERSION = "2026.3.23"
FIX = f"pip install --no-deps {PACKAGE}=={VERSION}"
FIX_CHANGED = f"pip install --no-deps --force-reinstall {PACKAGE}=={VERSION}"
SPLITS = ("base", "miss_func", "miss_param", "long_context")
ITEMS = Path(__file__).with_name("items.tsv")
DOCS = {
    "GorillaFileSystem": "gorilla_file_system",
    "MathAPI": "math_api",
    "MessageAPI": "message_api",
    "TicketAPI": "ticket_api",
    "TradingBot": "trading_bot",
    "TravelAPI": "travel_booking",
    "TwitterAPI": "posting_api",
    "VehicleControlAPI": "vehicle_control",
}
"""Backend class → the file of its functions' documentation."""

PARTS = ("conversation", "configuration", "functions", "ground truth")
"""What a task consists of; `items.tsv` has a short hash of each beside that of the whole."""

Doc = Mapping[str, Any]  # a function's documentation: name, description, parameters, response


@dataclass(frozen=True)
class Item:
    """A task as shipped; nothing in it may be changed.

    `requests[i]` is what the user says in turn i ("" where functions appear instead), `truth[i]`
    the calls of its ground truth as strings, `appearing[i]` the functions that appear in it.
    `functions` are those shown from the start.
    """

    entry: Mapping[str, Any]
    requests: tuple[str, ...]
    truth: tuple[tuple[str, ...], ...]
    functions: tuple[Doc, ...]
    appearing: Mapping[int, tuple[Doc, ...]]

    @property
    def classes(self) -> tuple[str, ...]:
        """The backend classes involved."""
        return tuple(self.entry["involved_classes"])

    @property
    def long_context(self) -> bool:
        """Whether backends add the long-context material."""
        return "long_context" in str(self.entry["id"])

    @functools.cached_property
    def documented(self) -> frozenset[str]:
        """The names of all functions, also of those that are yet to appear."""
        docs = [*self.functions, *(doc for docs in self.appearing.values() for doc in docs)]
        return frozenset(doc["name"] for doc in docs)

    @functools.cached_property
    def parts(self) -> dict[str, str]:
        """Part → SHA-256 (hex); together they are everything of the task that can matter."""
        entry = self.entry
        contents = (
            entry["question"],
            [entry["involved_classes"], entry["initial_config"]],
            [self.functions, sorted(self.appearing.items())],
            self.truth,
        )
        return {part: _digest(content) for part, content in zip(PARTS, contents, strict=True)}

    @property
    def content(self) -> str:
        """SHA-256 (hex) of all parts."""
        return _digest([self.entry["id"], self.parts])


def availability() -> Availability:
    """Whether the package is there, in the version that the panels are made of."""
    try:
        installed = importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return Availability(False, f"the package {PACKAGE} is not installed", FIX)
    if installed != VERSION:
        reason = f"{PACKAGE} {installed} is installed; the panels are those of {VERSION}"
        return Availability(False, reason, FIX)
    if importlib.util.find_spec("mpmath") is None:
        reason = f"mpmath, which {PACKAGE} calculates with, is not installed"
        return Availability(False, reason, "pip install mpmath")
    return Availability(usable=True)


def data_folder() -> Path:
    """Where the installed package keeps its data; raises `TaskUnavailableError` without it."""
    spec = importlib.util.find_spec("bfcl_eval")
    if spec is None or not spec.submodule_search_locations:
        raise TaskUnavailableError(f"the package {PACKAGE} is not installed. To fix: {FIX}")
    return Path(next(iter(spec.submodule_search_locations))) / "data"


def official_id(split: str, task_id: str) -> str:
    """The package's name for a task."""
    return f"multi_turn_{split}_{task_id}"


def official_split(panel: Panel) -> str:
    """The category whose tasks a panel holds."""
    return panel.family


@functools.cache
def read_items() -> Mapping[str, tuple[Task, ...]]:
    """Split → its tasks in panel order, from the list that this project carries.

    A task is named by its number: task n of all four splits is one conversation in four variants.
    The order is by SHA-256 of the number. So the first n tasks are a fair sample, and they are the
    same conversations in every split.
    """
    items: dict[str, list[Task]] = {split: [] for split in SPLITS}
    for split, number, kind, content, *_ in _rows():
        items[split].append(Task(number, content, kind))
    return {
        split: tuple(sorted(tasks, key=lambda task: hashlib.sha256(task.id.encode()).digest()))
        for split, tasks in items.items()
    }


@functools.cache
def listed_parts() -> Mapping[tuple[str, str], Mapping[str, str]]:
    """(split, task) → part → the first eight digits of its hash."""
    return {
        (split, number): dict(zip(PARTS, digests, strict=True))
        for split, number, _, _, *digests in _rows()
    }


def _rows() -> list[list[str]]:
    return [line.split("\t") for line in ITEMS.read_text(encoding="ascii").splitlines()]


def load_item(panel: Panel, task: Task) -> Item:
    """A panel's task.

    Raises `TaskUnavailableError` if it is missing or is not what the panel's lock names.
    """
    split = official_split(panel)
    try:
        item = read_item(data_folder(), split, task.id)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise TaskUnavailableError(
            f"{panel.name}: task {task.id} cannot be read ({type(error).__name__}: {error}). "
            f"To fix: {FIX_CHANGED}"
        ) from error
    if item.content != task.content:
        listed = listed_parts()[split, task.id]
        changed = [part for part, digest in item.parts.items() if digest[:8] != listed[part]]
        raise TaskUnavailableError(
            f"{panel.name}: the package's task {task.id} is not the one that the panel's lock "
            f"names (different: {', '.join(changed) or 'its id'}). To fix: {FIX_CHANGED}"
        )
    return item


@functools.lru_cache(maxsize=1_000)
def read_item(folder: Path, split: str, task_id: str) -> Item:
    """A task from the package's files, whether or not a panel lists it."""
    questions, answers = entries(folder, split)
    entry, answer = questions[official_id(split, task_id)], answers[official_id(split, task_id)]
    docs = [doc for name in entry["involved_classes"] for doc in _docs(folder, name)]
    missed = {int(turn): names for turn, names in entry.get("missed_function", {}).items()}
    hidden = {name for names in missed.values() for name in names}
    return Item(
        entry=entry,
        requests=tuple(
            "\n\n".join(message["content"] for message in turn) for turn in entry["question"]
        ),
        truth=tuple(tuple(turn) for turn in answer["ground_truth"]),
        functions=tuple(doc for doc in docs if doc["name"] not in hidden),
        appearing={
            turn: tuple(doc for name in names for doc in docs if doc["name"] == name)
            for turn, names in missed.items()
        },
    )


@functools.lru_cache(maxsize=len(SPLITS))
def entries(folder: Path, split: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(questions, answers), each by official id."""
    name = f"BFCL_v4_multi_turn_{split}.json"
    by_id = []
    for path in (folder / name, folder / "possible_answer" / name):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        by_id.append({row["id"]: row for row in rows})
    return by_id[0], by_id[1]


@functools.lru_cache(maxsize=len(DOCS))
def _docs(folder: Path, backend: str) -> tuple[Doc, ...]:
    path = folder / "multi_turn_func_doc" / f"{DOCS[backend]}.json"
    return tuple(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def check_tasks(panel: Panel, tasks: Sequence[str]) -> None:
    """Load the named tasks; raise `TaskUnavailableError` for the first missing or changed one."""
    for task_id in tasks:
        load_item(panel, panel.task(task_id))


def check_split(panel: Panel) -> Iterator[Finding]:
    """Compare every task of a panel with the panel's list."""
    problems = []
    for task in panel.tasks:
        try:
            load_item(panel, task)
        except TaskUnavailableError as error:
            problems.append(str(error))
    whole = len(panel) - len(problems)
    text = f"{panel.name}: {whole} of {len(panel)} tasks are those of the panel"
    if problems:
        yield Finding("problem", f"{text}. The first that is not: {problems[0]}", FIX_CHANGED)
    else:
        yield Finding("ok", text)

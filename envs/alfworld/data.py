"""ALFWorld's games: where they are, which ones each panel holds, and whether they are unchanged."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from cotgap.envs.cache import home
from cotgap.envs.core import Finding, Panel, Task, TaskUnavailableError
from cotgap.envs.household.errors import BadGame
from cotgap.envs.household.game import Game, cached_game

LAYOUT = "json_2.1.1"  # the folder below $ALFWORLD_DATA
GAME_FILE = "game.tw-pddl"
GAMES = Path(__file__).with_name("games.tsv")
SPLITS = ("valid_unseen", "valid_seen", "train")
FIX = (
    "pip install 'cotgap[alfworld]' && alfworld-download, or cotgap games prepare ARCHIVE_OR_FOLDER"
)
FIX_CHANGED = (  # alfworld-download leaves files that exist, unless it is forced
    "alfworld-download -f, or cotgap games prepare ARCHIVE_OR_FOLDER"
)


def data_folder() -> Path:
    """Where ALFWorld keeps its data: `$ALFWORLD_DATA`, or `alfworld-download`'s default place."""
    return Path(os.environ.get("ALFWORLD_DATA") or home() / ".cache" / "alfworld").expanduser()


def game_path(split: str, task_id: str) -> Path:
    """Where a game of an official split lies on this machine."""
    return data_folder() / LAYOUT / split / task_id / GAME_FILE


def read_games() -> dict[str, tuple[Task, ...]]:
    """Split → its solvable games in panel order, from the list that this project carries.

    The order is by SHA-256 of the task id: independent of file systems, and mixing task types,
    so that the first n games of a panel are a fair sample of it.
    """
    games: dict[str, list[Task]] = {split: [] for split in SPLITS}
    for line in GAMES.read_text(encoding="ascii").splitlines():
        split, task_id, content = line.split("\t")
        games[split].append(Task(task_id, content, task_kind(task_id)))
    return {
        split: tuple(sorted(tasks, key=lambda task: hashlib.sha256(task.id.encode()).digest()))
        for split, tasks in games.items()
    }


def task_kind(task_id: str) -> str:
    """ALFWorld's task type, the first part of a game's folder name."""
    return task_id.partition("-")[0]


def official_split(panel: Panel) -> str:
    """The official split whose games a panel holds."""
    drawn_from = {"paper_train": "train", "paper_id": "valid_seen", "paper_ood": "valid_seen"}
    return drawn_from.get(panel.family, panel.family)


def load_task(panel: Panel, task: Task) -> Game:
    """A panel's game in the panel's wording.

    Raises `TaskUnavailableError` if the file is missing or is not what the panel's lock names.
    """
    path = game_path(official_split(panel), task.id)
    if not path.is_file():
        raise TaskUnavailableError(f"{panel.name} lacks game {task.id} (no {path}). To fix: {FIX}")
    try:
        game = cached_game(path, panel.wording)
    except BadGame as error:
        raise TaskUnavailableError(f"{panel.name}: {error}. To fix: {FIX_CHANGED}") from error
    if game.content_hash != task.content:
        raise TaskUnavailableError(
            f"{panel.name}: {path} is not the game that the panel's lock names (its content "
            f"differs). To fix: {FIX_CHANGED}"
        )
    return game


def check_tasks(panel: Panel, tasks: Sequence[str]) -> None:
    """Load the named games; raise `TaskUnavailableError` for those missing or changed."""
    errors: list[TaskUnavailableError] = []
    for task_id in tasks:
        try:
            load_task(panel, panel.task(task_id))
        except TaskUnavailableError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise TaskUnavailableError(
            f"{panel.name}: {len(errors)} of {len(tasks)} games cannot be played. The first: "
            f"{errors[0]}. `cotgap doctor` lists the others"
        )


def check_split(panel: Panel) -> Iterator[Finding]:
    """Compare every game of a panel with the panel's list; name the missing and changed ones."""
    missing: list[str] = []
    changed: list[str] = []
    revisions: Counter[str] = Counter()
    for task in panel.tasks:
        try:
            game = load_task(panel, task)
            revisions[game.file_revision] += 1
        except TaskUnavailableError:
            present = game_path(official_split(panel), task.id).is_file()
            (changed if present else missing).append(task.id)
    whole = len(panel) - len(missing) - len(changed)
    wordings = [f"{count} in wording {name!r}" for name, count in sorted(revisions.items())]
    yield Finding(
        "ok" if whole == len(panel) else "note",
        f"{panel.name}: {whole} of {len(panel)} games"
        + (f" ({', '.join(wordings)})" if wordings else ""),
    )
    if set(revisions) - {panel.wording}:
        yield Finding(
            "note", f"{panel.name} is played in wording {panel.wording!r}, whatever the files carry"
        )
    if missing:
        yield Finding("note", f"{panel.name}: {len(missing)} missing: {_some(missing)}", FIX)
    if changed:
        yield Finding(
            "problem", f"{panel.name}: {len(changed)} changed: {_some(changed)}", FIX_CHANGED
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")

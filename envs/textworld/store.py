"""The cache of games: each is made once, checked when it is opened, made again if it is damaged.

A game is two files in the cache folder: `<content hash>.json` with TextWorld's own serialisation,
and the compiled story, which the first file names by its SHA-256. Both are written elsewhere and
then renamed, the story first, so that another process sees a whole game or none.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import tempfile
import threading
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from cotgap.envs.cache import VARIABLE, cache_dir
from cotgap.envs.core import TaskUnavailableError
from cotgap.envs.textworld.making import Made, content_hash, make
from cotgap.envs.textworld.panels import Listed

VERSION = "1.7.0"
FIX = f"pip install textworld=={VERSION}"
_MAKING = threading.Lock()  # TextWorld's parser is one object for all threads
CACHED = 32  # games kept in memory, read and parsed
DAMAGED = (OSError, ValueError, KeyError, TypeError)


@dataclass(frozen=True, eq=False)
class Game:
    """A game that can be played: the story file, and TextWorld's own serialisation."""

    content: str
    story: Path
    data: dict[str, Any]

    @property
    def objective(self) -> str:
        """The goal as the game states it."""
        return str(self.data["objective"])

    @functools.cached_property
    def max_score(self) -> int:
        """The sum of all quests' rewards."""
        return sum(quest["reward"] for quest in self.data["quests"])

    @property
    def walkthrough(self) -> list[str]:
        """TextWorld's own winning commands."""
        return list(self.data["metadata"]["walkthrough"])

    @functools.cached_property
    def world(self) -> Any:
        """The `textworld.Game`; nothing changes it."""
        import textworld

        return textworld.Game.deserialize(self.data)

    @functools.cached_property
    def opening(self) -> Any:
        """Where every episode begins, as TextWorld tracks it; nothing may update it."""
        from textworld.generator.game import GameProgression

        return GameProgression(self.world)

    @functools.cached_property
    def words(self) -> Any:
        """TextWorld's translation of the game's actions into commands."""
        from textworld.generator.inform7 import Inform7Game

        return Inform7Game(self.world)


def games_folder() -> Path:
    """Where games are kept on this machine."""
    return cache_dir() / f"textworld-{VERSION}"


def story_name(digest: str) -> str:
    """The file name of a story. The interpreter takes only "tw-…" for a TextWorld game.

    Otherwise the text would hold the prompt and the status line after every command.
    """
    return f"tw-{digest}.z8"


def installed_version() -> str | None:
    """The version of TextWorld that is installed, if any."""
    try:
        return metadata.version("textworld")
    except metadata.PackageNotFoundError:
        return None


def is_stored(listed: Listed) -> bool:
    """Whether a game is in the cache and undamaged."""
    return _read(games_folder(), listed.task.content) is not None


def obtain(listed: Listed) -> Game:
    """The game, made if it is not in the cache or damaged there.

    Raises `TaskUnavailableError` if it cannot be made, or if another game is made.
    """
    folder = games_folder()
    if game := _read(folder, listed.task.content):
        return game
    made = remake(listed)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _store(made, folder)
    except OSError as error:
        raise TaskUnavailableError(
            f"cannot write TextWorld games to {folder} ({error}). To fix it: make room there, or "
            f"set {VARIABLE} to a folder that can be written to"
        ) from error
    if game := _read(folder, listed.task.content):
        return game
    raise TaskUnavailableError(
        f"{_name(listed)} is damaged as soon as it is written to {folder}. To fix it: set "
        f"{VARIABLE} to a folder on another disk"
    )


def remake(listed: Listed) -> Made:
    """Make a game; raises `TaskUnavailableError` if it is not the one that its panel lists."""
    try:
        with _MAKING:
            made = make(listed.spec)
    except Exception as error:  # TextWorld raises many kinds of errors
        raise _cannot_make(listed, error) from error
    if made.content != listed.task.content:
        raise TaskUnavailableError(
            f"{_name(listed)} comes out as another game: its panel was made with TextWorld "
            f"{VERSION}, {installed_version()} is installed. To fix it: {FIX}"
        )
    return made


def compile_story(made: Made, path: Path) -> None:
    """Compile a game to a `.z8` file; raises `TaskUnavailableError` if Inform 7 fails."""
    from textworld.generator.inform7 import CouldNotCompileGameError, compile_inform7_game

    try:
        compile_inform7_game(made.source, str(path))
    except (CouldNotCompileGameError, OSError) as error:
        reason = " ".join(str(error).split())[:300]
        raise TaskUnavailableError(
            f"Inform 7, which TextWorld brings along, could not compile a game: {reason}. To fix "
            f"it: make room in {tempfile.gettempdir()}, or reinstall TextWorld: pip install "
            f"--force-reinstall --no-deps textworld=={VERSION}"
        ) from error


def _store(made: Made, folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="making.", dir=folder) as scratch:
        story = Path(scratch, "game.z8")
        compile_story(made, story)
        digest = _sha256(story)
        record = Path(scratch, "game.json")
        source = hashlib.sha256(made.source.encode()).hexdigest()
        record.write_text(
            json.dumps({"game": made.data, "source": source, "story": digest}), encoding="utf-8"
        )
        os.replace(story, folder / story_name(digest))
        os.replace(record, folder / f"{made.content}.json")


def _read(folder: Path, content: str) -> Game | None:
    """The game of that content hash, or None where it is missing or damaged."""
    try:
        return _cached(folder, content)
    except DAMAGED:
        return None


@functools.lru_cache(CACHED)
def _cached(folder: Path, content: str) -> Game:
    record = json.loads((folder / f"{content}.json").read_text(encoding="utf-8"))
    story = folder / story_name(record["story"])
    if content_hash(record["game"], record["source"]) != content or story.name != story_name(
        _sha256(story)
    ):
        raise ValueError(f"{content} is damaged")
    return Game(content, story, record["game"])


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _cannot_make(listed: Listed, error: Exception) -> TaskUnavailableError:
    return TaskUnavailableError(
        f"TextWorld cannot make {_name(listed)} ({type(error).__name__}: "
        f"{' '.join(str(error).split())[:300]}). To fix it: make room in {tempfile.gettempdir()}, "
        f"or reinstall TextWorld: pip install --force-reinstall --no-deps textworld=={VERSION}"
    )


def _name(listed: Listed) -> str:
    return f"textworld/{listed.split}/{listed.task.id}"

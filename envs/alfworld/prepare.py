"""`cotgap games prepare`: put ALFWorld games where the suite finds them."""

from __future__ import annotations

import lzma
import os
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import track

from cotgap.envs.alfworld.data import GAME_FILE, LAYOUT, SPLITS, check_split, data_folder, game_path
from cotgap.envs.alfworld.suite import SUITE
from cotgap.envs.core import CoTGapError, Finding
from cotgap.envs.household.errors import BadGame
from cotgap.envs.household.game import load_game

# Only these members are taken from an archive, from any folder in it, and only the matched parts of
# their names are used.
MEMBER = re.compile(rf"(?:^|.*/)({'|'.join(SPLITS)})/(\w[\w.-]*/\w[\w.-]*)/{re.escape(GAME_FILE)}")
# What reading a damaged archive raises (RuntimeError: encrypted, or an unknown compression).
DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
)


def prepare(source: Path) -> bool:
    """Copy the games of an archive or a folder to `$ALFWORLD_DATA`, check them, print the outcome.

    `source` is a .tar(.gz|.xz|.bz2), a .zip or a folder. Returns whether every game that is there
    is the one that the panels list; missing games are no problem. Raises `CoTGapError` for a
    source that cannot be read or holds no games, and for a folder that cannot be written.
    """
    console = Console()
    if not os.path.exists(source):
        raise CoTGapError(f"no such file or folder: {source}")
    count, damaged = 0, []
    for split, task_id, content in track(_games(source), "copying games", console=console):
        try:
            _store(game_path(split, task_id), content)
            count += 1
        except BadGame as error:
            damaged.append(f"{split}/{task_id}: {error}")
    if not count and not damaged:
        raise CoTGapError(
            f"{source} holds no games: expected SPLIT/TASK/TRIAL/{GAME_FILE} with a split of "
            + ", ".join(SPLITS)
        )
    console.print(f"{count:,} games at {data_folder() / LAYOUT}", highlight=False, soft_wrap=True)
    findings = [Finding("problem", f"{source}: not copied: {game}") for game in damaged]
    for split in SPLITS:
        findings += check_split(SUITE.panels[split])
    for finding in findings:
        console.print(f"  {finding.level}: {finding.text}", markup=False, highlight=False)
    return all(finding.level != "problem" for finding in findings)


def _store(target: Path, content: bytes) -> None:
    """Write a game to its place whole or not at all, because a good game may be there already.

    Raises `BadGame` for a damaged game, `CoTGapError` if it cannot be written.
    """
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(content)
            load_game(part)
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise CoTGapError(
            f"cannot write {target} ({error.strerror}). To fix it: set ALFWORLD_DATA to a folder "
            "that can be written to"
        ) from error


def _games(source: Path) -> Iterator[tuple[str, str, bytes]]:
    """(split, task id, content) of every game in a folder or an archive."""
    try:
        for name, read in _members(source):
            if match := MEMBER.fullmatch(name):
                yield match[1], match[2], read()
    except DAMAGED as error:
        raise CoTGapError(
            f"{source} is damaged, or not a readable folder, tar or zip archive "
            f"({type(error).__name__}: {error})"
        ) from error


def _members(source: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """The name of every file, and a function that reads it."""
    if source.is_dir():
        # Absolute, so that the split may be in the name of the folder or of one above it.
        for path in sorted(Path(os.path.abspath(source)).rglob(GAME_FILE)):
            yield path.as_posix(), path.read_bytes
    elif zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as packed:
            for name in packed.namelist():
                yield name, partial(packed.read, name)
    else:
        with tarfile.open(source) as archive:
            for member in archive:
                if member.isfile() and (file := archive.extractfile(member)):
                    yield member.name, file.read

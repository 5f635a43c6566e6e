"""`python -m envs.alfworld prepare FILE|DIR`: put ALFWorld games where the suite finds them."""

from __future__ import annotations

import re
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from envs.alfworld.data import GAME_FILE, LAYOUT, SPLITS, check_split, data_folder, game_path
from envs.alfworld.suite import SUITE
from envs.core import CoTGapError

# The only members taken from an archive, wherever in it they lie; nothing else of a name is used.
MEMBER = re.compile(rf"(?:^|.*/)({'|'.join(SPLITS)})/(\w[\w.-]*/\w[\w.-]*)/{re.escape(GAME_FILE)}")

app = typer.Typer(help="ALFWorld games for CoTGap.", add_completion=False)


@app.callback()
def alfworld() -> None:
    """ALFWorld games for CoTGap."""


@app.command(epilog="Example: `python -m envs.alfworld prepare ~/alfworld.tar.xz`")
def prepare(
    source: Annotated[
        Path, typer.Argument(help="A .tar(.gz|.xz|.bz2) or .zip of games, or a folder of them.")
    ],
) -> None:
    """Copy the games of an archive or a folder to $ALFWORLD_DATA, and check them."""
    console = Console()
    if not source.exists():
        raise CoTGapError(f"no such file or folder: {source}")
    count = 0
    for split, task_id, content in track(_games(source), "copying games", console=console):
        target = game_path(split, task_id)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        count += 1
    if not count:
        raise CoTGapError(
            f"{source} holds no games: expected SPLIT/TASK/TRIAL/{GAME_FILE} with a split of "
            + ", ".join(SPLITS)
        )
    console.print(f"{count:,} games at {data_folder() / LAYOUT}", highlight=False, soft_wrap=True)
    for split in SPLITS:
        for finding in check_split(SUITE.panels[split]):
            console.print(f"  {finding.level}: {finding.text}", markup=False, highlight=False)


def _games(source: Path) -> Iterator[tuple[str, str, bytes]]:
    """(split, task id, content) of every game in a folder or an archive."""
    if source.is_dir():
        for path in sorted(source.rglob(GAME_FILE)):
            if match := MEMBER.fullmatch(path.relative_to(source.parent).as_posix()):
                yield match[1], match[2], path.read_bytes()
    elif zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            for name in archive.namelist():
                if match := MEMBER.fullmatch(name):
                    yield match[1], match[2], archive.read(name)
    else:
        yield from _tar_games(source)


def _tar_games(source: Path) -> Iterator[tuple[str, str, bytes]]:
    try:
        with tarfile.open(source) as archive:
            for member in archive:
                match = MEMBER.fullmatch(member.name)
                file = archive.extractfile(member) if match and member.isfile() else None
                if match and file:
                    yield match[1], match[2], file.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise CoTGapError(f"{source} is not a readable tar or zip archive ({error})") from error


def main() -> None:
    """Run the command line; an error its user can solve is a message and exit code 2."""
    try:
        app()
    except CoTGapError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()

"""A folder of pages, written whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from cotgap.envs.core import CoTGapError

T = TypeVar("T")


def write_folder(out: Path, what: str, mark: str, fill: Callable[[Path], T]) -> T:
    """Let `fill` write into an empty folder, then put it in the place of `out`.

    An earlier `what` (known by its file `mark`) is replaced, any other folder that is not empty is
    refused. Raises `CoTGapError` there and where nothing can be written; `out` is then as it was.
    """
    if out.exists() and not _replaceable(out, mark):
        raise CoTGapError(
            f"--out {out} is there and is not a {what}. Give another folder, or remove it."
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise CoTGapError(f"--out {out}: cannot write there ({error})") from error
    try:
        filled = fill(scratch)
        scratch.chmod(0o755)  # mkdtemp's folders are private
        shutil.rmtree(out, ignore_errors=True)
        scratch.replace(out)
    except OSError as error:
        raise CoTGapError(f"cannot write {out}: {error}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return filled


def copy_files(source: Path, folder: Path) -> None:
    """Copy the files in a folder to another, which is made if it is not there.

    Modes are not copied: an install folder may be read-only, what is written from it must not be.
    """
    folder.mkdir(exist_ok=True)
    for path in source.iterdir():
        shutil.copyfile(path, folder / path.name)


def _replaceable(out: Path, mark: str) -> bool:
    return out.is_dir() and ((out / mark).is_file() or not any(out.iterdir()))

"""Whether files of weights are what they seem, before a library is asked to read them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cotgap.agents.fingerprint import INDEX, PATTERNS, indexed, names
from cotgap.envs.core import CoTGapError

WHOLE = "model.safetensors"  # what transformers reads before it looks for an index
POINTER = b"version https://git-lfs.github.com/spec/"
POINTER_SIZE = 1024  # bytes; none is longer


def check_files(folder: Path, patterns: Sequence[str] = PATTERNS) -> None:
    """Raise `CoTGapError` for files of a checkpoint folder that hold something else."""
    for name in names(folder, patterns):
        check_no_pointer(folder / name)
        if name.endswith(".safetensors"):
            tensors_in(folder / name)


def check_no_pointer(path: Path) -> None:
    """Raise `CoTGapError` for what Git LFS leaves in place of a file it has not fetched."""
    size = path.stat().st_size
    if size > POINTER_SIZE:
        return
    text = path.read_bytes()
    if text.startswith(POINTER):
        stated = re.search(rb"^size (\d+)$", text, re.MULTILINE)
        wanted = stated[1].decode() if stated else "unknown"
        raise CoTGapError(
            f"{path} is a Git LFS pointer of {size} bytes, not the file of {wanted} bytes that it "
            "stands for. Fetch it: git lfs pull"
        )


def check_shards(folder: Path) -> None:
    """Raise `CoTGapError` where an index and the files that it names disagree."""
    if (folder / WHOLE).is_file():
        return
    for index in folder.glob(INDEX):
        placed = indexed(index)
        shards = sorted(set(placed.values()))
        for name in shards:
            path = Path(name)
            if path.is_absolute() or ".." in path.parts or not (folder / path).is_file():
                raise CoTGapError(
                    f"{index} names {name}, which is not in {folder} ({len(shards)} files are "
                    "named). Copy the checkpoint again"
                )
        held = {name: tensors_in(folder / name) for name in shards}
        for tensor, name in placed.items():
            holders = [shard for shard in shards if tensor in held[shard]]
            if holders != [name]:
                raise CoTGapError(
                    f"{index} says that {tensor} is in {name}, but "
                    f"{' and '.join(holders) or 'no file that it names'} holds it. Copy the "
                    "checkpoint again"
                )


def tensors_in(path: Path) -> dict[str, list[int]]:
    """The tensors of a safetensors file and their shapes; raises `CoTGapError` for another file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > size - 8:
            raise CoTGapError(
                f"{path} is no safetensors file: it begins with {start!r}, which would be a header "
                f"of {length} bytes, and has {size} bytes. Copy it again"
            )
        try:
            header: dict[str, Any] = json.loads(file.read(length))
            return {k: list(v["shape"]) for k, v in header.items() if k != "__metadata__"}
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise CoTGapError(f"{path} has no readable header: {error}. Copy it again") from error


def check_complete(folder: Path, report: Any, expected: Iterable[str]) -> None:
    """Raise `CoTGapError` where weights are not those of the model that is configured.

    That is where they lack tensors, hold some of other sizes, or hold more layers.

    `report` is what transformers says of loading, `expected` the names of the model's tensors.
    """
    if missing := sorted(report["missing_keys"]):
        raise CoTGapError(
            f"the weights in {folder} are incomplete: {len(missing)} tensors are missing "
            f"({', '.join(missing[:3])}, ...). Copy the checkpoint again"
        )
    if other := sorted(report["mismatched_keys"]):
        name, found, wanted = other[0]
        raise CoTGapError(
            f"the weights in {folder} do not fit its config.json: {name} is {list(found)}, and "
            f"{list(wanted)} is configured ({len(other)} tensors differ). Put the config.json "
            "there that belongs to them"
        )
    kinds = {_kind(name) for name in expected}
    if beyond := sorted(name for name in report["unexpected_keys"] if _kind(name) in kinds):
        raise CoTGapError(
            f"the weights in {folder} hold {len(beyond)} tensors beyond the layers that its "
            f"config.json states ({', '.join(beyond[:3])}, ...). Put the config.json there that "
            "belongs to them"
        )


def _kind(name: str) -> str:
    return re.sub(r"\d+", "N", name)

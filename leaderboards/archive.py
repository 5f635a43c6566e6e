"""The container of a submission: lines of text in one xz stream, read within bounds.

The bounds are on what reading a stranger's file costs, and far above what honest runs need: a run
of all 274 ALFWorld games in both modes has 548 episodes of at most 50 steps each.
"""

from __future__ import annotations

import lzma
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from cotgap.envs.core import CoTGapError

# Bytes of the file: GitHub refuses files over 100 MB, and entries come by pull request.
MAX_FILE = 95_000_000
# Bytes of all lines: they are all held in memory at once, at two to three times their size.
MAX_CONTENT = 512 << 20
# Bytes of a line. The first lists the ids of the tasks that were played, some 80 bytes each. An
# episode of 50 steps in ALFWorld takes under 0.2 MB, one of 100 long steps elsewhere under 3 MB.
MAX_LINE = 8 << 20
# Bytes that decompressing may take: `PRESET` needs 9 MiB.
MAX_MEMORY = 16 << 20
PRESET = 6 | lzma.PRESET_EXTREME
CHUNK = 1 << 16  # bytes at a time, compressed and decompressed


def compressed(lines: Iterable[bytes]) -> bytes:
    """A file's bytes; each line ends in a line feed."""
    compressor = lzma.LZMACompressor(preset=PRESET)
    return b"".join([*map(compressor.compress, lines), compressor.flush()])


def lines_of(path: Path) -> Iterator[bytes]:
    """The lines of a file without their ends; raises `CoTGapError` at the first broken bound."""
    line, number = bytearray(), 1
    with _opened(path) as file:
        for chunk in _chunks(file):
            for place, part in enumerate(chunk.split(b"\n")):
                if place:  # a line feed stood before this part
                    yield bytes(line)
                    line.clear()
                    number += 1
                line += part
                if len(line) > MAX_LINE:
                    raise CoTGapError(f"line {number}: more than the {MAX_LINE:,} bytes allowed")
    if line:
        raise CoTGapError(f"line {number}: its end is missing")


def _opened(path: Path) -> IO[bytes]:
    """The file, if it is an ordinary one of a bearable size."""
    try:
        facts = path.lstat()
        if not stat.S_ISREG(facts.st_mode):
            raise CoTGapError("not an ordinary file; give one that `submit` wrote")
        if facts.st_size > MAX_FILE:
            raise CoTGapError(f"{facts.st_size:,} bytes, where {MAX_FILE:,} are allowed")
        return path.open("rb")
    except (OSError, ValueError) as error:
        raise CoTGapError(f"cannot be read: {error}") from error


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    """The content of a file that holds one xz stream and nothing else."""
    stream, size = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_MEMORY), 0
    while not stream.eof:
        try:
            given = file.read(CHUNK) if stream.needs_input else b""
            if stream.needs_input and not given:
                raise CoTGapError("no submission: the xz stream is cut short")
            chunk = stream.decompress(given, CHUNK)
        except (lzma.LZMAError, OSError) as error:
            raise CoTGapError(f"no submission: not an xz stream, or damaged ({error})") from error
        size += len(chunk)
        if size > MAX_CONTENT:
            raise CoTGapError(f"holds more than the {MAX_CONTENT:,} bytes allowed")
        yield chunk
    if stream.unused_data or file.read(1):
        raise CoTGapError("no submission: something follows the xz stream")

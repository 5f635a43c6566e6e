"""The zip of a submission: refused before it costs anything, and decompressed within bounds."""

from __future__ import annotations

import io
import lzma
import stat
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from cotgap.envs.core import CoTGapError
from cotgap.leaderboards import form
from cotgap.leaderboards.schema import shown

END = struct.Struct("<4s4H2LH")  # a zip's last record
LOCAL = struct.Struct("<4s5H3L2H")  # what stands before a member's data
LOCATOR = 20  # bytes of the record that zip64 puts before the last one
LZMA_HEADER = struct.Struct("<2BHBL")  # version, size of what follows, lc/lp/pb, dictionary
LZMA_BITS = 0x5D  # lc 3, lp 0, pb 2: what packing uses
FLAGS = (0x0, 0x2)  # bit 1: the LZMA stream says itself where it ends
# Compressed bytes at a time: a chunk is decompressed whole, and LZMA's most is about 7,000 to 1.
CHUNK = 4096
# What a damaged zip raises, RuntimeError for encryption and unknown versions among them.
DAMAGED = (
    zipfile.BadZipFile,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)


def opened(path: Path) -> IO[bytes]:
    """The file, if it is an ordinary one of a bearable size."""
    try:
        facts = path.lstat()
        if not stat.S_ISREG(facts.st_mode):
            raise CoTGapError("not an ordinary file; give one that `submit` wrote")
        if facts.st_size > form.MAX_FILE:
            raise CoTGapError(f"{facts.st_size:,} bytes, where {form.MAX_FILE:,} are allowed")
        return path.open("rb")
    except (OSError, ValueError) as error:
        raise CoTGapError(f"cannot be read: {error}") from error


def check_zip(file: IO[bytes]) -> None:
    """Refuse whatever `zipfile` would spend memory on, or understand otherwise than others do.

    The last record ends the file, right after a small directory of two entries; there is no zip64.
    """
    size = file.seek(0, io.SEEK_END)
    if size < END.size:
        raise CoTGapError("no submission: too short for a zip")
    file.seek(-END.size, io.SEEK_END)
    mark, disk, start_disk, here, entries, length, offset, comment = END.unpack(file.read())
    if mark != b"PK\5\6" or disk or start_disk or comment:
        raise CoTGapError("no submission: not a zip as `submit` writes it (or something follows)")
    if here != len(form.MEMBERS) or entries != len(form.MEMBERS):
        raise CoTGapError(f"{entries} members, where {' and '.join(form.MEMBERS)} belong")
    if length > form.MAX_DIRECTORY or offset + length != size - END.size:
        raise CoTGapError(
            f"no submission: the zip's directory takes {length} bytes at {offset}, where at most "
            f"{form.MAX_DIRECTORY} bytes at the file's end are allowed"
        )
    file.seek(max(0, size - END.size - LOCATOR))
    if file.read(4) == b"PK\6\7":
        raise CoTGapError("no submission: it is a zip64, which `submit` never writes")
    file.seek(0)


def members_of(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The two members, if they are what `submit` writes."""
    members = archive.infolist()
    names = tuple(member.orig_filename for member in members)
    if names != form.MEMBERS:
        listed = ", ".join(map(shown, names))
        raise CoTGapError(f"holds {listed}; a submission holds {', '.join(form.MEMBERS)}")
    for member in members:
        if member.flag_bits & 0x1:
            raise CoTGapError(f"{member.filename} is encrypted")
        if member.compress_type != zipfile.ZIP_LZMA or member.flag_bits not in FLAGS:
            raise CoTGapError(f"{member.filename} is not compressed as `submit` does it (LZMA)")
        if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
            raise CoTGapError(f"{member.filename} is a link or a folder, not a file")
    _check_dictionaries(archive, members)
    return members


def _check_dictionaries(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> None:
    """Read how much memory each stream asks for, before a decompressor allocates it."""
    assert archive.fp is not None
    for member in members:
        archive.fp.seek(member.header_offset)
        header = LOCAL.unpack(archive.fp.read(LOCAL.size))
        archive.fp.seek(header[-2] + header[-1], io.SEEK_CUR)
        _, length, bits, dictionary = LZMA_HEADER.unpack(archive.fp.read(LZMA_HEADER.size))[1:]
        if length != 5 or bits != LZMA_BITS or dictionary > form.MAX_DICTIONARY:
            raise CoTGapError(
                f"{member.filename} is compressed with settings that `submit` does not use (a "
                f"dictionary of {dictionary:,} bytes, where {form.MAX_DICTIONARY:,} are allowed)"
            )


def chunks_of(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int) -> Iterator[bytes]:
    """A member's content in parts; stops at `most` bytes, whatever its directory says."""
    if member.file_size > most:
        raise CoTGapError(
            f"{member.filename}: {member.file_size:,} bytes, where {most:,} are allowed"
        )
    size = 0
    with archive.open(member) as stream:
        while chunk := stream.read(CHUNK):
            size += len(chunk)
            if size > most:
                raise CoTGapError(f"{member.filename}: more than the {most:,} bytes allowed")
            yield chunk

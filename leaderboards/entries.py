"""The boards' entries: a folder of `SLUG.jsonl.xz` (submissions) and `SLUG.json` (receipts)."""

from __future__ import annotations

import datetime
import hashlib
import re
from pathlib import Path

from cotgap.benchmark.records.store import versions
from cotgap.envs.core import REPOSITORY, CoTGapError
from cotgap.envs.files import write_json
from cotgap.leaderboards.read import SubmissionError, check_json, read_submission
from cotgap.leaderboards.schema import EQUAL, LEAST, SLUG, Entry, Receipt, Tier

FOLDER = Path(__file__).with_name("entries")
FILE, RECEIPT = ".jsonl.xz", ".json"
BESIDE = "README.md"  # what may lie in the folder besides
MAX_RECEIPT = 100_000  # bytes: a receipt takes some 500


def read_entries(folder: Path = FOLDER) -> list[Entry]:
    """Every entry, by slug.

    Raises `SubmissionError` for a file that is no submission, a receipt that is malformed or of
    another file, and anything else in the folder.
    """
    return [read_entry(path) for path in entry_files(folder)]


def entry_files(folder: Path) -> list[Path]:
    """The submission files of a folder, by slug; raises `SubmissionError` for anything strange."""
    if folder == FOLDER and not folder.exists():
        raise SubmissionError(
            "the boards' entries are not part of an installed copy. Get the folder "
            f"leaderboards/entries from {REPOSITORY} and name it: `cotgap check FOLDER`, "
            "`cotgap board build --entries FOLDER`"
        )
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise SubmissionError(f"{folder}: cannot be read: {error}") from error
    files = [path for path in paths if path.name.endswith(FILE)]
    slugs = set(map(entry_slug, files))
    for path in paths:
        if path.is_symlink() or not path.is_file():
            raise SubmissionError(f"{folder}: {path.name!r} is not an ordinary file")
        if path.name == BESIDE:
            continue
        if not path.name.endswith((FILE, RECEIPT)) or not re.fullmatch(SLUG, entry_slug(path)):
            raise SubmissionError(
                f"{folder}: {path.name!r} is neither SLUG{FILE} nor SLUG{RECEIPT}, where SLUG is "
                "of a-z, 0-9 and hyphens"
            )
        if entry_slug(path) not in slugs:
            raise SubmissionError(f"{path}: a receipt without its {entry_slug(path)}{FILE}")
    return files


def entry_slug(path: Path) -> str:
    """The name of a submission's or a receipt's file without the suffix."""
    return path.name.removesuffix(FILE).removesuffix(RECEIPT)


def read_entry(path: Path) -> Entry:
    """The entry of a submission file and of the receipt beside it, if there is one."""
    submission = read_submission(path)
    beside = receipt_path(path)
    receipt = read_receipt(beside) if beside.exists() or beside.is_symlink() else None
    if receipt is not None and receipt.sha256 != (found := sha256(path)):
        raise SubmissionError(
            f"{beside}: sha256: is of another file ({receipt.sha256[:12]}...); {path.name} has "
            f"{found[:12]}... Verify it again: cotgap verify {path.name} --receipt"
        )
    return Entry(entry_slug(path), submission, receipt)


def receipt_path(path: Path) -> Path:
    """Where a submission's receipt lies; raises `SubmissionError` for another suffix."""
    if not path.name.endswith(FILE):
        raise SubmissionError(f"{path}: a receipt lies beside SLUG{FILE}: rename the file first")
    return path.with_name(entry_slug(path) + RECEIPT)


def read_receipt(path: Path) -> Receipt:
    """A receipt; raises `SubmissionError` where it is malformed, naming the field."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_RECEIPT:
            raise CoTGapError(f"not an ordinary file of at most {MAX_RECEIPT:,} bytes")
        text = path.read_bytes()
        check_json(text)
        receipt = Receipt.parse(text, foreign=True)
        if receipt.agreed > receipt.redecoded:
            raise CoTGapError("agreed: more than were decoded again")
        if (receipt.tier == "re-decoded") != (receipt.redecoded > 0):
            raise CoTGapError("redecoded: does not go with its tier")
        if receipt.tier == "re-decoded" and not _earned(receipt.redecoded, receipt.agreed):
            raise CoTGapError("agreed: too few for its tier")
    except (OSError, CoTGapError) as error:
        raise SubmissionError(f"{path}: {error}") from error
    return receipt


def _earned(redecoded: int, agreed: int) -> bool:
    """Whether so many may be "re-decoded" by the rule for runs that round differently."""
    return redecoded >= LEAST and agreed >= EQUAL * redecoded


def make_receipt(path: Path, tier: Tier, **outcome: int) -> Receipt:
    """Today's receipt of a file that was verified; `outcome` are the counts of `Receipt`."""
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    return Receipt(sha256(path), tier, today, versions(), **outcome)


def write_receipt(path: Path, receipt: Receipt) -> Path:
    """Write a submission's receipt beside it; returns where.

    Raises `CoTGapError` where it cannot be written.
    """
    beside = receipt_path(path)
    write_json(beside, receipt.to_json())
    return beside


def sha256(path: Path) -> str:
    """The SHA-256 (hex) of a file."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise SubmissionError(f"{path}: cannot be read: {error}") from error

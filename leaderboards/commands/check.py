"""`cotgap check`: verify every entry of a folder, and what its receipts claim."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from cotgap.envs.core import CoTGapError
from cotgap.leaderboards.commands.showing import say
from cotgap.leaderboards.commands.verify import (
    FOUND,
    NOT_REPLAYED,
    UNREADABLE,
    VERIFIED,
    exit_code,
    print_findings,
    replayed,
)
from cotgap.leaderboards.entries import (
    FOLDER,
    entry_files,
    entry_slug,
    read_entries,
    read_entry,
    receipt_path,
)
from cotgap.leaderboards.names import clashes
from cotgap.leaderboards.options import CheckOptions, ReplayOptions
from cotgap.leaderboards.proposal import copies, refusals
from cotgap.leaderboards.rules import breaches
from cotgap.leaderboards.schema import Entry, Tier

# What the boards say of an entry whose replay agreed.
STANDING: Mapping[Tier, str] = {
    "self-reported": "; on the boards self-reported, until a receipt says more",
    "replayed": "",
    "re-decoded": ", and re-decoded by its receipt",
}
# The worst of several outcomes comes first.
WORST = (UNREADABLE, FOUND, NOT_REPLAYED, VERIFIED)


def execute(options: CheckOptions) -> int:
    """Check and print; returns the worst entry's exit code."""
    console, folder, since = Console(), options.folder or FOLDER, options.since
    strict = since is not None and not options.maintainer
    files, codes = entry_files(folder), [VERIFIED]
    before: dict[str, Entry] = {}
    if since is not None:
        _check_apart(folder, since)
        before = {entry.slug: entry for entry in read_entries(since)}
    changed = [path for path in files if since is None or not _same(path, since)]
    entries: dict[str, Entry] = {}
    for path in files:
        try:
            entries[entry_slug(path)] = read_entry(path)
        except CoTGapError as error:
            say(console, f"unreadable: {error}", "bold red")
            codes.append(UNREADABLE)
    for path in changed:
        if (entry := entries.get(entry_slug(path))) is not None:
            codes += _replay(path, entry, options.replay, console, strict=strict)
    for reason in _together(list(entries.values())):
        say(console, f"refused: {reason}", "bold red")
        codes.append(FOUND)
    if strict:
        gone = before.keys() - set(map(entry_slug, files))
        slugs = sorted({*map(entry_slug, changed), *gone})
        for reason in refusals(before, entries, slugs, options.actor):
            say(console, f"refused: {reason}", "bold red")
            codes.append(FOUND)
    code = next(code for code in WORST if code in codes)
    outcome = {
        VERIFIED: "all verified",
        FOUND: "not all verified",
        UNREADABLE: "some unreadable",
        NOT_REPLAYED: "some could not be replayed here",
    }
    say(console, f"entries: {len(changed)}, {outcome[code]}", "bold")
    return code


def _replay(
    path: Path, entry: Entry, options: ReplayOptions, console: Console, *, strict: bool
) -> Iterator[int]:
    """Verify an entry and what its receipt claims; the exit codes of what was found."""
    findings = replayed(entry.submission, options)
    print_findings(path.name, entry.submission, findings, console)
    yield (code := exit_code(findings))
    broken = [f"against the rules of entry: {reason}" for reason in breaches(entry.submission)]
    claim = _claim(entry, refuted=bool(findings.counts), strict=strict)
    for problem in (*broken, *([f"receipt: {claim}"] if claim else [])):
        say(console, problem, "bold red")
        yield FOUND
    if code == VERIFIED and not (broken or claim):
        say(console, f"verified: replayed{STANDING[entry.tier]}", "green")


def _together(entries: Sequence[Entry]) -> Iterator[str]:
    """What no two entries may share."""
    for one, other, why in copies(entries):
        yield f"{one} and {other} are copies: {why}"
    for first, second, why in clashes(entries):
        yield f"{first.slug} and {second.slug}: {why}"


def _check_apart(folder: Path, since: Path) -> None:
    """Raise `CoTGapError` where the proposed folder leads to another, as to the one before."""
    for part in (folder, folder.absolute().parent):
        if part.is_symlink():
            raise CoTGapError(f"{part} is a link: what is proposed is a folder of files")
    if folder.resolve() == since.resolve():
        raise CoTGapError(f"--since {since} is the folder that is checked: give the one before")


def _claim(entry: Entry, *, refuted: bool, strict: bool) -> str:
    """What is wrong with an entry's receipt; empty if nothing is."""
    if entry.receipt is None or entry.tier == "self-reported":
        return ""
    if refuted:
        return f"claims {entry.tier!r}, which was not found here"
    if entry.tier == "re-decoded" and strict:
        return (
            "claims 're-decoded', and replaying shows no more than 'replayed'. Leave the receipt "
            "out; who has the checkpoint adds it: cotgap verify FILE --redecode N "
            "--agent CHECKPOINT --receipt"
        )
    return ""


def _same(path: Path, since: Path) -> bool:
    """Whether an entry's files are the same, byte for byte, in another folder."""
    return all(_content(mine) == _content(since / mine.name) for mine in (path, receipt_path(path)))


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() and not path.is_symlink() else None

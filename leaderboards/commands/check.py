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
from cotgap.leaderboards.entries import FOLDER, entry_files, read_entry, receipt_path
from cotgap.leaderboards.options import CheckOptions
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
    strict = since is not None and not options.trust_redecoded
    files = [path for path in entry_files(folder) if since is None or not _same(path, since)]
    codes, entries = [VERIFIED], list[Entry]()
    for path in files:
        try:
            entry = read_entry(path)
        except CoTGapError as error:
            say(console, f"unreadable: {error}", "bold red")
            codes.append(UNREADABLE)
            continue
        entries.append(entry)
        findings = replayed(entry.submission, options.replay)
        print_findings(path.name, entry.submission, findings, console)
        codes.append(exit_code(findings))
        claim = _claim(entry, refuted=bool(findings.counts), strict=strict)
        if claim:
            say(console, f"receipt: {claim}", "bold red")
            codes.append(FOUND)
        if codes[-1] == VERIFIED:
            say(console, f"verified: replayed{STANDING[entry.tier]}", "green")
    for twice in _copies(entries):
        say(console, f"the same run of the same agent: {twice}", "yellow")
    code = next(code for code in WORST if code in codes)
    outcome = {
        VERIFIED: "all verified",
        FOUND: "not all verified",
        UNREADABLE: "some unreadable",
        NOT_REPLAYED: "some could not be replayed here",
    }
    say(console, f"entries: {len(files)}, {outcome[code]}", "bold")
    return code


def _copies(entries: Sequence[Entry]) -> Iterator[str]:
    """Entries that hold a run that another holds as well: whose it is, replaying cannot tell."""
    holders: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        for run in entry.submission.runs:
            holders.setdefault((run.config.agent["fingerprint"], run.digest), []).append(entry.slug)
    yield from sorted({", ".join(slugs) for slugs in holders.values() if len(slugs) > 1})


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

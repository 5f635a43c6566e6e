"""What a change to the folder of entries may do: who may change an entry, and what is no copy.

The owner of an entry is the account that it names (`Entrant.owner`). Nobody else replaces, removes
or hands it over, nor the receipt beside it; without an owner only those who keep the boards do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from cotgap.benchmark.records.episode import Episode
from cotgap.leaderboards.schema import Entry

# Two files with this share of their common episodes equal, text by text, are of one run, whatever
# they say of their agents. (Of the project's own entries, no two have more than an eighth.)
COPIED = 0.5
COMMON = 10  # episodes that both must hold for that


def refusals(
    before: Mapping[str, Entry], now: Mapping[str, Entry], changed: Sequence[str], actor: str
) -> Iterator[str]:
    """Why `actor` (empty: nobody knows who) may not make this change, a line for each entry.

    `changed` are the slugs of which a file was added, replaced or removed.
    """
    for slug in changed:
        old, new = before.get(slug), now.get(slug)
        if old is not None and not _owns(actor, old):
            what = "replaces" if slug in now else "removes"
            yield f"{slug}: {what} an entry of {_owner(old)}, and this is by {actor or 'nobody'}"
        elif old is not None and new is not None and _account(old) != _account(new):
            yield f"{slug}: hands an entry of {_owner(old)} over to {_owner(new)}"
        elif old is None and new is not None and not _account(new):
            yield f"{slug}: names no owner. Pack it again with --owner ACCOUNT"
        elif old is None and new is not None and actor and not _owns(actor, new):
            yield f"{slug}: names the owner {_owner(new)}, and this is by {actor}"


def copies(entries: Sequence[Entry]) -> Iterator[tuple[str, str, str]]:
    """Two entries that hold the same run, and why one is a copy of the other."""
    texts = {entry.slug: _texts(entry) for entry in entries}
    for one, other in combinations(entries, 2):
        shared = _runs(one) & _runs(other)
        mine, its = texts[one.slug], texts[other.slug]
        common = mine.keys() & its.keys()
        same = sum(mine[id_] == its[id_] for id_ in common)
        if shared:
            yield one.slug, other.slug, "the same run of the same agent"
        elif len(common) >= COMMON and same >= COPIED * len(common):
            yield one.slug, other.slug, f"{same} of {len(common)} episodes with the same texts"


def _account(entry: Entry) -> str:
    return entry.submission.entrant.owner.casefold()


def _owner(entry: Entry) -> str:
    return entry.submission.entrant.owner or "those who keep the boards"


def _owns(actor: str, entry: Entry) -> bool:
    return bool(actor) and actor.casefold() == _account(entry)


def _runs(entry: Entry) -> set[tuple[str, str]]:
    return {(str(r.config.agent["fingerprint"]), r.digest) for r in entry.submission.runs}


def _texts(entry: Entry) -> dict[tuple[object, ...], bytes]:
    """Episode → the digest of all that was written in it."""
    return {
        (episode.lock, *episode.id): _digest(episode)
        for run in entry.submission.runs
        for episode in run.episodes
    }


def _digest(episode: Episode) -> bytes:
    said = [
        [step.decision.raw, *(shadow.raw for _, shadow in sorted(step.shadows.items()))]
        for step in episode.steps
    ]
    return hashlib.sha256(json.dumps(said).encode()).digest()

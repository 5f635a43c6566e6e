"""The entries that the project commits: read, and one of them replayed."""

from __future__ import annotations

from cotgap.leaderboards.schema import Entry
from cotgap.leaderboards.verify import verify


def test_all_are_read(committed: list[Entry]) -> None:
    assert {"tiny", "tiny-masked", "random", "noop", "expert"} <= {e.slug for e in committed}
    assert all(entry.tier == "re-decoded" for entry in committed)


def test_a_checkpoints_entry_replays(committed: list[Entry]) -> None:
    (entry,) = (entry for entry in committed if entry.slug == "tiny-0004")
    found = verify(entry.submission)
    assert not found.counts
    assert not found.unplayable
    assert found.episodes == 300

"""The entries that the project commits: read, and one of them replayed."""

from __future__ import annotations

from cotgap.leaderboards.entries import FOLDER, read_entries
from cotgap.leaderboards.verify import verify


def test_all_are_read() -> None:
    entries = read_entries(FOLDER)
    assert {"tiny", "tiny-masked", "random", "noop", "expert"} <= {entry.slug for entry in entries}
    assert all(entry.tier == "re-decoded" for entry in entries)


def test_a_checkpoints_entry_replays() -> None:
    (entry,) = (entry for entry in read_entries(FOLDER) if entry.slug == "tiny-0004")
    found = verify(entry.submission)
    assert not found.counts
    assert not found.unplayable
    assert found.episodes == 300

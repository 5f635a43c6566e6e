"""Whose reasoning changes the action, and for the better or the worse."""

from __future__ import annotations

from cotgap.leaderboards.boards.core import Board, of_metrics

BOARD = Board(
    name="revision",
    title="Revision",
    doc="How often reasoning changes the action that the agent would have taken at the same state "
    "anyway, and whether the change leads closer to success or further away, where the suite knows "
    "the way. Ranked by helpful revisions, higher is better, and by harmful ones, lower is better; "
    "how often an agent revises is neither good nor bad, and not ranked. Whether an action follows "
    "a reasoning trace that argues for another one (the conflict follow rate) is measured by "
    "`cotgap probe conflict`; submissions do not carry it, so it has no column here.",
    order=30,
    scope="pair",
    measures=of_metrics(ranked=["revision_helpful", "revision_harmful"], beside=["revision"]),
)

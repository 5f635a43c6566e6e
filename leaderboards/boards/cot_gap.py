"""Whom reasoning helps most."""

from __future__ import annotations

from cotgap.leaderboards.boards.core import Board, of_metrics

BOARD = Board(
    name="cot_gap",
    title="CoT gap",
    doc="What reasoning adds to an agent's success: success after reasoning less success without, "
    "on the same tasks. Ranked by the gap, higher is better; a large gap may be good reasoning or "
    "poor acting without it, so both success rates stand beside it.",
    order=20,
    scope="pair",
    measures=of_metrics(ranked=["cot_gap"], beside=["success", "cot_gap_headroom"]),
)

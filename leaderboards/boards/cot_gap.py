"""Whom reasoning helps most."""

from __future__ import annotations

from cotgap.benchmark.metrics.core import COT, PROMPT
from cotgap.benchmark.metrics.summary import PAIR
from cotgap.leaderboards.boards.core import Board, of_metric

BOARD = Board(
    name="cot_gap",
    title="CoT gap",
    doc="What reasoning adds to an agent's success: success after reasoning less success without, "
    "on the same tasks. Ranked by the gap, higher is better; a large gap may be good reasoning or "
    "poor acting without it, so both success rates stand beside it.",
    order=20,
    views={
        PAIR: (
            of_metric("cot_gap", PAIR, ranked=True),
            of_metric("success", PROMPT, title="success, prompt"),
            of_metric("success", COT, title="success, cot"),
            of_metric("cot_gap_headroom", PAIR),
        )
    },
)

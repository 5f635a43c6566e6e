"""Who succeeds most often."""

from __future__ import annotations

from cotgap.leaderboards.boards.core import MODES, Board, of_metric

BOARD = Board(
    name="success",
    title="Success",
    doc="How often an agent succeeds on a panel, acting after reasoning (mode cot) and acting "
    "straight away (mode prompt). Each mode has tables of its own. Ranked by the success rate, "
    "higher is better.",
    order=10,
    views={
        mode: (
            of_metric("success", mode, ranked=True),
            of_metric("score", mode),
            of_metric("pass_hat_k", mode),
            of_metric("steps", mode),
            of_metric("parse_errors", mode),
        )
        for mode in MODES
    },
)

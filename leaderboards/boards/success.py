"""Who succeeds most often."""

from __future__ import annotations

from cotgap.leaderboards.boards.core import Board, of_metrics

BOARD = Board(
    name="success",
    title="Success",
    doc="How often an agent succeeds on a panel, acting after reasoning (mode cot) and acting "
    "straight away (mode prompt). Each mode has tables of its own. Ranked by the success rate, "
    "higher is better.",
    order=10,
    scope="mode",
    measures=of_metrics(
        ranked=["success"], beside=["score", "pass_hat_k", "steps", "parse_errors"]
    ),
)

"""`cotgap train`: a series of checkpoints from the expert's episodes."""

from __future__ import annotations

from cotgap.agents.options import TrainOptions
from cotgap.agents.training.train import train_series


def execute(options: TrainOptions) -> None:
    """Train, and say where the last checkpoint is."""
    print(f"trained: {train_series(options)}")

"""`cotgap games generate`: TextWorld's games, ahead of time."""

from __future__ import annotations

from cotgap.benchmark.options import GenerateOptions
from cotgap.envs.textworld.prepare import generate


def execute(options: GenerateOptions) -> None:
    """Make what is missing, and say where it is."""
    generate(panels=options.panel, workers=options.workers)

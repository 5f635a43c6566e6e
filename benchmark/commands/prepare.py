"""`cotgap games prepare`: ALFWorld's games from an archive."""

from __future__ import annotations

from cotgap.benchmark.options import PrepareOptions
from cotgap.envs.alfworld.prepare import prepare


def execute(options: PrepareOptions) -> int:
    """Copy and check; the exit code says whether all games are whole."""
    return 0 if prepare(options.source) else 2

"""`cotgap games export`: generated households as files for the stock engine."""

from __future__ import annotations

from cotgap.benchmark.options import ExportOptions
from cotgap.envs.household.generator.export import export_panel


def execute(options: ExportOptions) -> None:
    """Write the games, and say how many."""
    export_panel(options.panel, options.folder, wording=options.wording, limit=options.limit)

"""`cotgap scale`: what a larger study would take."""

from __future__ import annotations

from dataclasses import asdict

from cotgap.benchmark.options import ScaleOptions
from cotgap.benchmark.scale import show


def execute(options: ScaleOptions) -> None:
    """Print what was measured, and what follows for the study."""
    show(**asdict(options))

"""Measuring: run agents on panels, keep records, compute metrics.

from cotgap import benchmark

frames = benchmark.load("runs/ckpt-both-1a2b3c4d")
frames.episodes.groupby(["panel", "mode"]).success.mean()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cotgap.benchmark.records.frames import Frames, load

__all__ = ["Frames", "load"]


def __getattr__(name: str) -> Any:
    # pandas takes half a second to import; nobody who only wants the CLI should pay for it.
    if name in __all__:
        from cotgap.benchmark.records import frames

        return getattr(frames, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

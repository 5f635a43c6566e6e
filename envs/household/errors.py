"""The one error of the household engine."""

from __future__ import annotations

from cotgap.envs.core import CoTGapError


class BadGame(CoTGapError):  # noqa: N818 - the name is part of the engine's interface
    """A game file that cannot be played: truncated, foreign, or of an unknown domain."""

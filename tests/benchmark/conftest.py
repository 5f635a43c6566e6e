"""One thread for models, and faster statistics."""

from __future__ import annotations

import pytest

from cotgap.benchmark.stats import intervals
from tests.agents.conftest import one_thread

__all__ = ["one_thread"]


@pytest.fixture
def no_mde(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spares simulations the detectable effect, which takes longer than all else."""
    monkeypatch.setattr(intervals, "paired_mde", lambda n, discordance, size=1.0: None)

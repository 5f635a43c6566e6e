"""The tiny checkpoint of the agents' tests."""

from __future__ import annotations

from tests.agents.conftest import one_thread, tiny, tiny_checkpoint

__all__ = ["one_thread", "tiny", "tiny_checkpoint"]

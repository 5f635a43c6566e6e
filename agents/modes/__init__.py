"""How decisions are decoded: one file per mode, each with a `MODE` object, found by scan."""

from __future__ import annotations

from cotgap.agents.core import Mode
from cotgap.envs.plugins import Extensions

MODES: Extensions[Mode] = Extensions("mode", __name__, "MODE", Mode, helpers=("_parsing",))


def modes() -> dict[str, Mode]:
    """Every mode by name."""
    return MODES.all()


def get_mode(name: str) -> Mode:
    """The mode of that name; raises `UnknownNameError`."""
    return MODES.get(name)

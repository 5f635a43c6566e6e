"""How decisions are decoded: one file per mode, each with a `MODE` object, found by scan."""

from __future__ import annotations

from cotgap.agents.core import Mode
from cotgap.envs.core import CoTGapError, UnknownNameError
from cotgap.envs.plugins import Extensions

PAIR = ("prompt", "cot")
"""The two modes whose difference is the CoT gap (arXiv:2606.26935)."""
BOTH = "both"

MODES: Extensions[Mode] = Extensions("mode", __name__, "MODE", Mode, helpers=("parsing",))


def modes() -> dict[str, Mode]:
    """Every mode by name."""
    return MODES.all()


def get_mode(name: str) -> Mode:
    """The mode of that name; raises `UnknownNameError`."""
    return MODES.get(name)


def parse_modes(text: str) -> tuple[str, ...]:
    """The modes that `--mode` names: one, several with commas between them, or "both".

    Each is compared with those before it, and all with `prompt`, which therefore comes first.
    Raises `CoTGapError` for an unknown mode or one that is named twice.
    """
    names = PAIR if text == BOTH else tuple(text.split(","))
    for name in names:
        if name not in MODES.names():
            raise UnknownNameError("mode", name, [*MODES.names(), BOTH])
        get_mode(name)
    if len(set(names)) < len(names):
        raise CoTGapError(f"--mode {text}: a mode is named twice")
    return tuple(sorted(names, key=lambda name: name != PAIR[0]))

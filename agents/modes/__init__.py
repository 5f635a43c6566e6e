"""How decisions are decoded: one file per mode, each with a `MODE` object, found by scan."""

from __future__ import annotations

import functools
import importlib
import pkgutil

from cotgap.agents.core import Mode
from cotgap.envs.core import CoTGapError, UnknownNameError

PAIR = ("prompt", "cot")
"""The two modes whose difference is the CoT gap (arXiv:2606.26935)."""
BOTH = "both"


@functools.cache
def modes() -> dict[str, Mode]:
    """Every mode by name: each sibling module with a `MODE` object."""
    found: dict[str, Mode] = {}
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("_"):
            mode: Mode = importlib.import_module(f"{__name__}.{module.name}").MODE
            found[mode.name] = mode
    return dict(sorted(found.items()))


def get_mode(name: str) -> Mode:
    """The mode of that name; raises `UnknownNameError`."""
    try:
        return modes()[name]
    except KeyError:
        raise UnknownNameError("mode", name, modes()) from None


def parse_modes(text: str) -> tuple[str, ...]:
    """The modes that `--mode` names: one, several with commas between them, or "both".

    Raises `CoTGapError` for an unknown mode or one that is named twice.
    """
    names = PAIR if text == BOTH else tuple(text.split(","))
    for name in names:
        if name not in modes():
            raise UnknownNameError("mode", name, [*modes(), BOTH])
    if len(set(names)) < len(names):
        raise CoTGapError(f"--mode {text}: a mode is named twice")
    return names

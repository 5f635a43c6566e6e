"""How decisions are decoded: one file per mode, each with a `MODE` object, found by scan."""

from __future__ import annotations

import functools
import importlib
import pkgutil

from cotgap.agents.core import Mode
from cotgap.envs.core import UnknownNameError


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

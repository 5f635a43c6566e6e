"""Kinds of backends: one file each, with a `BACKEND` object, found by scan."""

from __future__ import annotations

from typing import Any

from cotgap.agents.backends.core import BackendKind
from cotgap.envs.plugins import Extensions

BACKENDS: Extensions[BackendKind] = Extensions(
    "backend", __name__, "BACKEND", BackendKind, helpers=("core",)
)


def backends() -> dict[str, BackendKind]:
    """Every kind of backend by name."""
    return BACKENDS.all()


def option_types() -> dict[str, Any]:
    """Options of all backends: name → type, `Annotated` with its `typer.Option`.

    All default to None. Kinds that share a name share the option.
    """
    types: dict[str, Any] = {}
    for kind in backends().values():
        types = {**kind.option_types(), **types}
    return types

"""The bundled checkpoints: a folder each, with a card that says how it was made."""

from __future__ import annotations

from pathlib import Path

from cotgap.envs.core import UnknownNameError

DEFAULT = "tiny"
"""What the agent `ckpt` is."""


def bundled() -> dict[str, Path]:
    """The folders by name, sorted."""
    here = Path(__file__).parent
    return {path.parent.name: path.parent for path in sorted(here.glob("*/card.json"))}


def bundled_path(name: str) -> Path:
    """The folder of a bundled checkpoint; raises `UnknownNameError`."""
    try:
        return bundled()[name]
    except KeyError:
        raise UnknownNameError("bundled checkpoint", name, bundled()) from None

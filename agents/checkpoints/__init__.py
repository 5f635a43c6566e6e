"""The bundled checkpoints: a folder each, with a card that says how it was made.

The repository holds the weights of all of them, an installed copy those of `DEFAULT` only.
"""

from __future__ import annotations

from pathlib import Path

from cotgap.envs.core import REPOSITORY, CoTGapError, UnknownNameError

DEFAULT = "tiny"
"""What the agent `ckpt` is."""

_HERE = Path(__file__).parent


def bundled() -> dict[str, Path]:
    """The folders with weights by name, sorted."""
    return {path.parent.name: path.parent for path in sorted(_HERE.glob("*/*.safetensors"))}


def bundled_path(name: str) -> Path:
    """The folder of a bundled checkpoint.

    Raises `UnknownNameError` for a name that no card has, `CoTGapError` where only the card is
    here.
    """
    if found := bundled().get(name):
        return found
    names = sorted(path.parent.name for path in _HERE.glob("*/card.json"))
    if name not in names:
        raise UnknownNameError("bundled checkpoint", name, names)
    raise CoTGapError(
        f"the weights of ckpt:{name} are not part of an installed copy. Get the folder "
        f"agents/checkpoints/{name} from {REPOSITORY} and give its path: "
        "`--agent FOLDER`"
    )

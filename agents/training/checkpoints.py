"""Checkpoints with cards: written whole or not at all."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cotgap.envs.core import CoTGapError

CARD = "card.json"


def step_folder(out: Path, step: int) -> Path:
    """Where the checkpoint after `step` updates goes."""
    return out / f"step-{step:06d}"


def save_checkpoint(folder: Path, model: Any, tokenizer: Any, card: Mapping[str, Any]) -> None:
    """Write a Hugging Face folder (safetensors, tokenizer, chat template) and its card.

    Weights are in half precision: float16, and bfloat16 for an adapter, whose folder holds nothing
    else of the model (tokenizer and template are its base's). Raises `CoTGapError` where there is
    no room; earlier checkpoints, the one at `folder` included, then stay as they are.
    """

    def write(scratch: Path) -> None:
        model.save_pretrained(scratch, state_dict=_halved(model))
        if not hasattr(model, "peft_config"):
            _declare(scratch / "config.json", dtype="float16")
            tokenizer.save_pretrained(scratch)
        text = json.dumps(card, indent=2, ensure_ascii=False)
        (scratch / CARD).write_text(text + "\n", encoding="utf-8")
        (scratch / "README.md").unlink(missing_ok=True)  # an empty template of PEFT's

    replace_folder(folder, write)


def replace_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a folder beside `folder`, then put it in that place.

    Raises `CoTGapError` where it cannot be written; nothing has changed then.
    """
    from safetensors import SafetensorError

    scratch = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        write(scratch)
        scratch.chmod(0o755)  # mkdtemp's folders are private
        retired = scratch.with_name(f"{scratch.name}.old")
        if folder.exists():
            folder.replace(retired)
        scratch.replace(folder)
        shutil.rmtree(retired, ignore_errors=True)
    except (OSError, SafetensorError, RuntimeError) as error:  # torch.save raises the last
        raise CoTGapError(
            f"cannot save {folder}: {error}. Earlier checkpoints are untouched; free some space "
            "and give the same command again to go on from the last one"
        ) from error
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)


def read_card(folder: Path) -> dict[str, Any]:
    """A checkpoint's card, empty where it has none; raises `CoTGapError` for a damaged one."""
    path = folder / CARD
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise CoTGapError(f"{path} is no card: {error}") from error


def _halved(model: Any) -> dict[str, Any]:
    if not hasattr(model, "peft_config"):
        return {name: value.half() for name, value in model.state_dict().items()}
    from peft import get_peft_model_state_dict

    state = get_peft_model_state_dict(model)
    return {name: value.bfloat16() for name, value in state.items()}


def _declare(config: Path, **facts: str) -> None:
    """Put facts into a `config.json`, which transformers fills from the model in memory."""
    known = json.loads(config.read_text(encoding="utf-8"))
    config.write_text(json.dumps({**known, **facts}, indent=2) + "\n", encoding="utf-8")

"""A tokenizer without its model: rendering prompts for a model that is served elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cotgap.agents.decoding.loading import LOCAL, check_tokenizer, load_tokenizer, quiet, require
from cotgap.agents.fingerprint import TOKENIZER_PATTERNS, fingerprint
from cotgap.agents.rendering import Renderer
from cotgap.envs.core import CoTGapError


def open_tokenizer(folder: Path, told: int | None) -> tuple[Renderer, str]:
    """(renderer, fingerprint) of the tokenizer and chat template in a folder.

    `told` is the context in tokens that the server states, if it does: what the folder states can
    only make it smaller. Raises `CoTGapError` for anything missing or wrong.
    """
    require("transformers")
    if not folder.is_dir():
        raise CoTGapError(
            f"--tokenizer {folder}: there is no such folder. Give the one that the served model's "
            "tokenizer is in"
        )
    check_tokenizer(folder)
    try:
        with quiet():
            tokenizer = load_tokenizer(folder)
            stated = _context(folder, tokenizer)
    except CoTGapError:
        raise
    except Exception as error:  # whatever a damaged or foreign folder makes a library raise
        raise CoTGapError(
            f"cannot load the tokenizer in {folder}: {type(error).__name__}: {error}"
        ) from error
    known = [context for context in (told, stated) if context]
    if not known:
        raise CoTGapError(
            f"neither the server nor {folder} says how long the model's context is: put the "
            "model's config.json there"
        )
    return Renderer(tokenizer, min(known)), fingerprint(folder, TOKENIZER_PATTERNS)


def _context(folder: Path, tokenizer: Any) -> int | None:
    """The context that the folder states: the model's, or at least the tokenizer's."""
    from transformers import AutoConfig

    known: list[int] = []
    if (folder / "config.json").is_file():
        config = AutoConfig.from_pretrained(folder, **LOCAL)
        known += [getattr(config.get_text_config(), "max_position_embeddings", None) or 10**9]
    # Tokenizers without a limit of their own state a huge one.
    return min((n for n in (*known, tokenizer.model_max_length) if n < 10**9), default=None)

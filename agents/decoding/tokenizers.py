"""A tokenizer without its model: rendering prompts for a model that is served elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cotgap.agents.decoding.loading import (
    LOCAL,
    TOKENIZER_FILES,
    check_template,
    load_tokenizer,
    reading,
    require,
)
from cotgap.agents.decoding.weights import check_files
from cotgap.agents.fingerprint import TOKENIZER_PATTERNS, covered, fingerprint
from cotgap.agents.rendering import Renderer
from cotgap.envs.core import CoTGapError

# The model's configuration decides the tokenizer's class where the tokenizer's own does not.
PATTERNS = (*TOKENIZER_PATTERNS, "config.json")


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
    check_files(folder, TOKENIZER_PATTERNS)
    with reading(f"the tokenizer in {folder}"), covered(folder, PATTERNS) as view:
        tokenizer = load_tokenizer(view)
        if tokenizer is None:
            raise CoTGapError(
                f"{folder} has no tokenizer (none of {', '.join(TOKENIZER_FILES)}). "
                "Save it there: tokenizer.save_pretrained(FOLDER)"
            )
        check_template(tokenizer, folder)
        stated = _context(view, tokenizer)
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

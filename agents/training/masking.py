"""Which tokens of a reply get a loss: the intervention of arXiv 2606.26935, and nothing else.

On a fraction k of the training examples the tokens of the *action*, between its tags, get no
loss; the tags and the reasoning keep theirs. These functions know no model, tokenizer or trainer.
With TRL or verl, tokenise a reply in the pieces that `cotgap.agents.prompts.reply_parts` gives,
note each piece's span, and use

    labels = mask_actions(ids, spans, is_masked(example_id, k, seed))

as the example's `labels` (TRL: give the trainer tokenised rows with `input_ids` and `labels`;
verl: the loss mask is `[label != IGNORE_INDEX for label in labels]`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from cotgap.agents.rendering import Kind
from cotgap.envs.core import CoTGapError

# What PyTorch's cross entropy and Hugging Face models leave out of the loss.
IGNORE_INDEX = -100


class Span(NamedTuple):
    """Tokens `start` to `end` (exclusive) of a sequence that are learned, and what they are."""

    kind: Kind
    start: int
    end: int


def mask_actions(ids: Sequence[int], spans: Sequence[Span], masked: bool) -> list[int]:
    """Labels for one example: the id where a token has a loss, else `IGNORE_INDEX`.

    `ids` is the whole sequence, `spans` the pieces of the reply (ascending, disjoint). Tokens
    outside of all spans are the prompt and get no loss; with `masked`, neither do those of spans
    of kind "action". Labels are not shifted: `labels[i]` belongs to `ids[i]`.

    Raises `CoTGapError` for spans that do not fit the sequence.
    """
    labels = [IGNORE_INDEX] * len(ids)
    reached = 0
    for kind, start, end in spans:
        if not reached <= start <= end <= len(ids):
            raise CoTGapError(
                f"span {kind} {start}:{end} does not fit {len(ids)} tokens after position "
                f"{reached}: the spans were made with another tokenizer or for another sequence"
            )
        reached = end
        if not (masked and kind == "action"):
            labels[start:end] = ids[start:end]
    return labels


def is_masked(example: str, fraction: float, seed: int) -> bool:
    """Whether an example's action is masked: true for a seeded `fraction` of all example ids.

    Each example is drawn on its own, by a hash of seed and id. So the choice does not depend on
    order, on epochs or on what else is in the data (which may be endless); the number of masked
    examples among n is binomial (n, fraction); and the examples masked at a smaller fraction are
    masked at every larger one. Raises `CoTGapError` for a fraction outside [0, 1].
    """
    return draw(seed, "mask", example) < checked_share("action-mask fraction", fraction)


def draw(seed: int, *names: str) -> float:
    """A number in [0, 1), uniform over names: always the same for the same arguments."""
    digest = hashlib.sha256("\0".join([str(seed), *names]).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def checked_share(name: str, value: float) -> float:
    """The value; raises `CoTGapError` outside [0, 1] (and for NaN)."""
    if not 0 <= value <= 1:
        raise CoTGapError(f"{name} {value} is out of range: give a share from 0 to 1")
    return value

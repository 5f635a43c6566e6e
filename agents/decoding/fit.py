"""Whether the slot cache can serve a model: asked of its configuration, then of the model itself.

Nothing goes by an architecture's name. What a configuration rules out is said in words; what it
does not show, a few tokens do: they are run with the slot cache and without any cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from cotgap.agents.decoding.attention import by_rows
from cotgap.agents.decoding.slots import SlotCache

ATTENTIONS = ("eager", "sdpa")  # those that take a mask of one's own
WINDOWED, UNBOUNDED = "sliding_attention", "full_attention"
# Rotary embeddings whose angles depend on the longest row of a batch.
SHIFTING = ("dynamic", "longrope")
# Relative error of logits that rounding may make; a wrong mask or position makes errors near 1.
TOLERANCE = {torch.float32: 1e-3}
ROUGH = 0.1


class UnfitError(Exception):
    """A model that the slot cache cannot serve; says why."""


@dataclass(frozen=True)
class Fit:
    """How the slot cache serves a model: each layer's window and type, bytes a token takes."""

    windows: tuple[int | None, ...]
    layer_types: tuple[str, ...]
    slot_bytes: int = 0

    def make_cache(self) -> SlotCache:
        """An empty cache of no size yet."""
        return SlotCache(self.windows, self.layer_types)


def fit(model: Any) -> Fit:
    """How the slot cache serves this model; raises `UnfitError` where it cannot."""
    layers = _layers(model.config.get_text_config(decoder=True))
    attention = getattr(model.config, "_attn_implementation", None)
    if attention not in ATTENTIONS:
        raise UnfitError(f"its attention ({attention}) takes no mask of one's own")
    cache = layers.make_cache()
    try:
        error = _relative_error(model, cache)
    except Exception as failure:  # whatever a foreign architecture raises
        raise UnfitError(f"{type(failure).__name__}: {failure}".splitlines()[0]) from failure
    if not error <= TOLERANCE.get(model.dtype, ROUGH):
        raise UnfitError(f"its logits are off by {error:.2g} of their size")
    return Fit(layers.windows, layers.layer_types, cache.slot_bytes)


def _layers(config: Any) -> Fit:
    """What the configuration says of each layer; raises `UnfitError`."""
    window = getattr(config, "sliding_window", None)
    types = getattr(config, "layer_types", None) or config.num_hidden_layers * [
        UNBOUNDED if window is None else WINDOWED
    ]
    if others := sorted(set(types) - {WINDOWED, UNBOUNDED}):
        raise UnfitError(f"it has layers of {', '.join(others)}, which keep more than keys")
    for rope in _rope_types(config):
        if rope in SHIFTING:
            raise UnfitError(f"its {rope} rotary embedding depends on the longest row of a batch")
    return Fit(tuple(window if kind == WINDOWED else None for kind in types), tuple(types))


def _rope_types(config: Any) -> Iterator[str]:
    """The kinds of rotary embedding, of all layer types, in any version's notation."""
    for name in ("rope_parameters", "rope_scaling"):
        outer = getattr(config, name, None) or {}
        for scaling in (outer, *outer.values()):
            if isinstance(scaling, Mapping):
                yield str(scaling.get("rope_type", scaling.get("type")))


@torch.inference_mode()
def _relative_error(model: Any, cache: SlotCache) -> float:
    """By how much logits with the slot cache differ from those without any cache."""
    vocabulary = model.get_input_embeddings().num_embeddings
    texts = [[(3 + 7 * i * i) % vocabulary for i in range(n)] for n in (24, 17)]
    plain = torch.stack([_logits(model, [text])[0] for text in texts])
    rows, done = [2, 1], [0, 0]  # out of order, and not the first
    cache.resize(3, 32)
    for widths in ([11, 4], [12, 12], [1, 1]):
        chunks = [text[at : at + n] for text, at, n in zip(texts, done, widths, strict=True)]
        padded = [[0] * (max(widths) - len(chunk)) + chunk for chunk in chunks]
        with by_rows(model):
            ours = _logits(model, padded, **cache.place(rows, done, widths, model))
        done = [at + n for at, n in zip(done, widths, strict=True)]
    return float((ours - plain).norm() / plain.norm())


def _logits(model: Any, ids: list[list[int]], **options: Any) -> torch.Tensor:
    """Logits behind the last token of each row, in float32."""
    inputs = torch.tensor(ids, device=model.device)
    out = model(input_ids=inputs, logits_to_keep=1, **{"use_cache": False, **options})
    logits: torch.Tensor = out.logits[:, -1].float()
    return logits

"""How a model can be decoded: asked of its configuration, then of the model itself.

Nothing goes by an architecture's name. What a configuration rules out is said in words; what it
does not show, a few tokens do. The reference is always transformers' `generate` on one row, and a
way of decoding that answers otherwise (beside other rows, behind a shared beginning, beyond a
window) is not used. Windows are tried behind a past that was never read but made up: keys and
values of some real tokens, shuffled, so that a long past costs memory and next to no time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from transformers import DynamicCache

from cotgap.agents.decoding.attention import by_rows
from cotgap.agents.decoding.batched import generate
from cotgap.agents.decoding.slots import SlotCache
from cotgap.envs.core import CoTGapError

ATTENTIONS = ("eager", "sdpa")  # those that take a mask of one's own
WINDOWED, UNBOUNDED = "sliding_attention", "full_attention"
# Rotary embeddings whose angles depend on the longest row of a batch.
SHIFTING = ("dynamic", "longrope")
# Settings that name a length beyond which a model attends differently.
LENGTHS = re.compile("window|chunk|local|block_size|stride")
# Relative error of logits that rounding may make; a wrong mask or position makes errors near 1.
TOLERANCE = {torch.float32: 1e-3}
ROUGH = 0.15
SAME = 1e-6  # relative difference of logits that say the same
READ = (24, 17)  # tokens of the texts that are read from their beginning
STEPS = 3  # tokens written in each trial
SINKS = 4  # first tokens, which models attend to where nothing else fits: they stay the first
WIDEST = 5  # tokens read behind a made-up past
PAST = 600  # tokens of a made-up past at least: enough for a beginning to be worth sharing
# Bytes that a made-up past may take where configuration names a window, and where it names none.
MEMORY, SPARE = 4 << 30, 256 << 20
# Operations that a trial of batches may take: some seconds of one core, or of a GPU. A tenth of
# them where configuration names no window.
OPERATIONS = {"cpu": 3e11, "cuda": 1e14}
ENOUGH = 2048  # tokens that are read at most where no window is named; a past may be twice that


class UnfitError(Exception):
    """A way of decoding that does not serve a model; says why."""


@dataclass(frozen=True)
class Fit:
    """How the slot cache serves a model: each layer's window and type, bytes a token takes.

    `shares` says whether rows may read their common beginning together.
    """

    windows: tuple[int | None, ...]
    layer_types: tuple[str, ...]
    shares: bool = True
    slot_bytes: int = 0

    def make_cache(self) -> SlotCache:
        """An empty cache of no size yet."""
        return SlotCache(self.windows, self.layer_types, self.shares)


def fit(model: Any, context: int | None = None) -> Fit:
    """How the slot cache serves this model; raises `UnfitError` where it cannot.

    `context` is the most tokens that will be read (None: what the model's configuration states).
    Raises `CoTGapError` for a model that answers nothing or always the same.
    """
    context = context or _context(model.config.get_text_config(decoder=True))
    texts = [_text(model, min(length, context - STEPS)) for length in READ]
    written, expected = _alone(model, texts)
    attention = getattr(model.config, "_attn_implementation", None)
    if attention not in ATTENTIONS:
        raise UnfitError(f"its attention ({attention}) takes no mask of one's own")
    try:
        layers = _layers(model.config.get_text_config(decoder=True))
        cache = layers.make_cache()
        _compare(_in_slots(model, cache, texts, written), expected, model)
        layers = replace(layers, slot_bytes=cache.slot_bytes)
        return _tried_behind_a_past(model, layers, cache, context)
    except UnfitError:
        raise
    except Exception as failure:  # whatever a foreign architecture raises
        raise UnfitError(f"{type(failure).__name__}: {failure}".splitlines()[0]) from failure


def check_batches(model: Any, context: int | None = None) -> None:
    """Raise `UnfitError` where a reply in a left-padded batch may be another than alone.

    `context` is as in `fit`.
    """
    config = model.config.get_text_config(decoder=True)
    context = context or _context(config)
    for rope, length in _shifts(config):
        if length < context:
            raise UnfitError(
                f"its {rope} rotary embedding depends on the longest row of a batch "
                f"beyond {length} tokens"
            )
    longest = max(_lengths(config, context), default=0)
    affordable = int(OPERATIONS[model.device.type] / (8 * model.num_parameters()))
    if longest + 16 > affordable and longest > READ[0]:
        raise UnfitError(f"its window of {longest} tokens is too long to be tried in batches")
    read = max(longest + 16, READ[0], min(ENOUGH, affordable // 10))
    read = min(read, context - STEPS)
    texts = [_text(model, length) for length in (read, max(read // 3, 1))]
    _, expected = _alone(model, texts)
    try:
        _, found = _generated(model, texts)
    except Exception as failure:
        raise UnfitError(f"{type(failure).__name__}: {failure}".splitlines()[0]) from failure
    _compare(found, expected, model)


def check_weights(model: Any) -> None:
    """Raise `CoTGapError` where weights are not numbers."""
    broken = [name for name, weight in model.named_parameters() if not weight.isfinite().all()]
    if broken:
        raise CoTGapError(
            f"{len(broken)} tensors of the model hold NaN or infinity ({', '.join(broken[:3])}, "
            "...). Copy the checkpoint again, or give another --dtype"
        )


def check_context(model: Any, context: int) -> None:
    """Raise `CoTGapError` where a model fails at the last position of its stated context alone."""
    failure = _failure_at(model, context - 1)
    if failure is not None and _failure_at(model, 0) is None:
        raise CoTGapError(
            f"config.json states a context of {context} tokens, but the model fails at position "
            f"{context - 1} ({type(failure).__name__}: {failure}). Correct max_position_embeddings"
        )


@torch.inference_mode()
def _failure_at(model: Any, position: int) -> Exception | None:
    ids = torch.zeros(1, 1, dtype=torch.long, device=model.device)
    try:
        model(input_ids=ids, position_ids=ids + position, use_cache=False)
    except Exception as failure:  # whatever a foreign architecture raises
        return failure
    return None


def _context(config: Any) -> int:
    return getattr(config, "max_position_embeddings", None) or 2**31


def _layers(config: Any) -> Fit:
    """What the configuration says of each layer; raises `UnfitError`."""
    window = getattr(config, "sliding_window", None)
    types = getattr(config, "layer_types", None) or config.num_hidden_layers * [
        UNBOUNDED if window is None else WINDOWED
    ]
    if others := sorted(set(types) - {WINDOWED, UNBOUNDED}):
        raise UnfitError(f"it has layers of {', '.join(others)}, which keep more than keys")
    for rope, _ in _shifts(config):
        raise UnfitError(f"its {rope} rotary embedding depends on the longest row of a batch")
    return Fit(tuple(window if kind == WINDOWED else None for kind in types), tuple(types))


def _shifts(config: Any) -> Iterator[tuple[str, int]]:
    """Rotary embeddings that change with length, of all layer types: (kind, from which length).

    In any version's notation.
    """
    for name in ("rope_parameters", "rope_scaling"):
        outer = getattr(config, name, None) or {}
        for scaling in (outer, *outer.values()):
            if isinstance(scaling, Mapping):
                kind = str(scaling.get("rope_type", scaling.get("type")))
                if kind in SHIFTING:
                    stated = scaling if kind == "longrope" else {}
                    original = stated.get("original_max_position_embeddings") or getattr(
                        config, "original_max_position_embeddings", None
                    )
                    yield kind, original or _context(config)


def _lengths(config: Any, context: int) -> Iterator[int]:
    """The settings within the context that may change how a model attends."""
    for name, value in config.to_dict().items():
        if LENGTHS.search(name):
            for number in value if isinstance(value, list) else [value]:
                if type(number) is int and 1 < number < context:
                    yield number


def _text(model: Any, length: int) -> list[int]:
    """Token ids at random, the same each time."""
    vocabulary = model.get_input_embeddings().weight.shape[0]
    dice = torch.Generator().manual_seed(length)
    ids: list[int] = torch.randint(vocabulary, (length,), generator=dice).tolist()
    return ids


def _alone(model: Any, texts: Sequence[list[int]]) -> tuple[list[list[int]], torch.Tensor]:
    """What `generate` writes for each text: (token ids, logits (steps, texts, vocabulary)).

    Raises `CoTGapError` where that is no answer.
    """
    try:
        each = [_generated(model, [text]) for text in texts]
    except Exception as failure:  # whatever a foreign architecture raises
        raise CoTGapError(
            f"{type(model).__name__} cannot be run here: transformers' own generate fails with "
            f"{type(failure).__name__}: {failure}"
        ) from failure
    logits = torch.cat([found for _, found in each], dim=1)
    _check_answers(logits)
    return [ids for (ids,), _ in each], logits


def _check_answers(logits: torch.Tensor) -> None:
    """Raise `CoTGapError` where logits (steps, texts, vocabulary) say nothing of the texts."""
    if bool(logits.isnan().any() | logits.isposinf().any()):
        raise CoTGapError("the model's logits are not numbers. Give another --dtype")
    first = logits[0]
    size = first.abs().amax(dim=-1)
    if bool((first.amax(dim=-1) - first.amin(dim=-1) <= SAME * size).any()):
        raise CoTGapError(
            "the model gives all tokens the same logit: its weights are empty. Copy the checkpoint "
            "again"
        )
    if bool(((first[1:] - first[:1]).abs().amax(dim=-1) <= SAME * size[0]).all()):
        raise CoTGapError(
            "the model answers every prompt alike, token for token: its weights are damaged. Copy "
            "the checkpoint again"
        )


def _generated(model: Any, texts: Sequence[list[int]]) -> tuple[list[list[int]], torch.Tensor]:
    """What one call of `generate` writes for texts together; as `_alone`."""
    seen: list[torch.Tensor] = []

    def write(logits: torch.Tensor) -> Sequence[int | None]:
        if len(seen) == STEPS:  # asked once more where checks are deferred
            return [None for _ in texts]
        seen.append(logits.clone())
        return logits.argmax(dim=-1).tolist() if len(seen) < STEPS else [None for _ in texts]

    generate(model, texts, STEPS, write)
    logits = torch.stack(seen)
    return logits.argmax(dim=-1).T.tolist(), logits


@torch.inference_mode()
def _in_slots(
    model: Any, cache: SlotCache, texts: Sequence[list[int]], written: Sequence[list[int]]
) -> torch.Tensor:
    """As the logits of `_alone`, of two texts in rows of the slot cache, read in unlike pieces."""
    rows = [2, 1]  # out of order, and not the first
    cache.resize(3, 32)
    done, seen = [0, 0], []
    whole = [[*text, *ids] for text, ids in zip(texts, written, strict=True)]
    last = [len(text) - 1 for text in texts]
    for widths in ([last[0] // 2, 1], [last[0] - last[0] // 2, last[1] - 1], *STEPS * [[1, 1]]):
        seen.append(_pass(model, cache, rows, done, widths, whole))
        done = [at + n for at, n in zip(done, widths, strict=True)]
    return torch.stack(seen[2:])


def _pass(
    model: Any,
    cache: SlotCache,
    rows: Sequence[int],
    done: Sequence[int],
    widths: Sequence[int],
    texts: Sequence[list[int]],
    common: int = 0,
) -> torch.Tensor:
    """Logits (rows, vocabulary) behind the next `widths` tokens of texts read up to `done`."""
    chunks = [text[at : at + n] for text, at, n in zip(texts, done, widths, strict=True)]
    padded = [[0] * (max(widths) - len(chunk)) + chunk for chunk in chunks]
    placed = cache.place(rows, done, widths, model, common, least=0)
    with by_rows(model):
        return _last_logits(model, padded, **placed)


def _tried_behind_a_past(model: Any, layers: Fit, read: SlotCache, context: int) -> Fit:
    """`layers`, with what a past beyond all windows says of sharing; raises `UnfitError`."""
    config = model.config.get_text_config(decoder=True)
    longest = max(_lengths(config, context), default=0)
    spare = min(2 * ENOUGH, SPARE // (4 * layers.slot_bytes))
    length = min(max(PAST, longest + longest // 4, spare), context - WIDEST)
    if length < PAST // 10:  # nothing to share, and nothing longer than what was read
        return layers
    if 4 * length * layers.slot_bytes > MEMORY:
        raise UnfitError(f"its window of {longest} tokens is too long to be tried")
    pasts = [length, length // 3, length // 4 + 1]
    common = length // 4
    past = _Past(read, length, common)
    expected = torch.stack([_behind(model, past, row, n) for row, n in enumerate(pasts)], dim=1)
    for shares in (True, False):
        tried = replace(layers, shares=shares)
        try:
            _compare(_slots_behind(model, tried.make_cache(), past, pasts, common), expected, model)
        except Exception:
            if not shares:
                raise
        else:
            return tried
    raise AssertionError("one of the two returns or raises")


class _Past:
    """Keys and values of a past of up to `length` tokens; rows have the first `common` in common.

    They are those of tokens that `read` holds, shuffled. Values grow along the past, so that
    whoever attends to another part of it sees something else.
    """

    def __init__(self, read: SlotCache, length: int, common: int) -> None:
        self._held, self._common = read.layers, common
        self.layers = len(read.layers)
        dice = torch.Generator().manual_seed(length)
        self._order = torch.randint(SINKS, 17, (length,), generator=dice)
        self._order[:SINKS] = torch.arange(SINKS)
        self._growth = torch.linspace(0, 2, length)[:, None]
        self._growth[:SINKS] = 1

    def of(self, layer: int, row: int, length: int) -> tuple[torch.Tensor, torch.Tensor] | None:
        """(heads, length, dim) keys and values of a layer; None for one that keeps none."""
        held = self._held[layer]
        if not held.is_initialized:
            return None
        order = self._order[:length].clone()
        order[self._common :] = order[self._common :].roll(7 * row)
        order = order.to(held.keys.device)
        growth = self._growth[:length].to(held.values)
        return held.keys[2][:, order], held.values[2][:, order] * growth


def _behind(model: Any, past: _Past, row: int, length: int) -> torch.Tensor:
    """Logits (passes, vocabulary) of one row behind its past, with the model's own cache."""
    cache = DynamicCache(config=model.config.get_text_config(decoder=True))
    for layer in range(past.layers):
        if (held := past.of(layer, row, length)) is not None:
            cache.update(held[0][None], held[1][None], layer)
    text, at, seen = _text(model, WIDEST), 0, []
    for width in (WIDEST - 1 - row, 1):
        reach = length + at + width
        out = _last_logits(
            model,
            [text[at : at + width]],
            attention_mask=torch.ones(1, reach, dtype=torch.long, device=model.device),
            position_ids=torch.arange(length + at, reach, device=model.device)[None],
            past_key_values=cache,
            use_cache=True,
        )
        seen.append(out[0])
        at += width
    return torch.stack(seen)


def _slots_behind(
    model: Any, cache: SlotCache, past: _Past, pasts: Sequence[int], common: int
) -> torch.Tensor:
    """As `_behind`, of all rows together in the slot cache."""
    cache.resize(len(pasts), max(pasts) + WIDEST)
    for layer in range(past.layers):
        for row, length in enumerate(pasts):
            if (held := past.of(layer, row, length)) is not None:
                cache.layers[layer].fill(row, *held)
    rows, done = list(range(len(pasts))), list(pasts)
    texts = [[0] * length + _text(model, WIDEST) for length in pasts]
    seen = []
    for widths in ([WIDEST - 1 - row for row in rows], [1 for _ in rows]):
        seen.append(_pass(model, cache, rows, done, widths, texts, common))
        done = [at + n for at, n in zip(done, widths, strict=True)]
    return torch.stack(seen)


@torch.inference_mode()
def _last_logits(model: Any, ids: list[list[int]], **options: Any) -> torch.Tensor:
    """Logits behind the last token of each row, in float32."""
    inputs = torch.tensor(ids, device=model.device)
    out = model(input_ids=inputs, logits_to_keep=1, **options)
    logits: torch.Tensor = out.logits[:, -1].float()
    return logits


def _compare(found: torch.Tensor, expected: torch.Tensor, model: Any) -> None:
    """Raise `UnfitError` where logits (steps, rows, vocabulary) are not those expected."""
    size = expected.norm(dim=-1)
    error = float(((found - expected).norm(dim=-1) / size).max())
    if not error <= TOLERANCE.get(model.dtype, ROUGH):
        raise UnfitError(f"its logits are off by {error:.2g} of their size")

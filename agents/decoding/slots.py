"""A preallocated key-value cache in which a token's slot is its position.

A row is a list of slots. What a row holds beyond its length is never attended to and simply
written over, so that going back to an earlier length costs nothing.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

from cotgap.agents.decoding.attention import plan

UNIT = 256  # slots are allocated in multiples of this


class SlotLayer(CacheLayerMixin):  # type: ignore[misc]
    """One layer: keys and values, each (rows, heads, slots + 1, dim); the last slot takes pads."""

    is_sliding = False  # windows are in the mask; every token is kept

    def __init__(self, owner: SlotCache) -> None:
        super().__init__()
        self._owner = owner

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Allocate for heads and sizes like these."""
        self.keys, self.values = self._empty(key_states), self._empty(value_states)
        self.is_initialized = True

    def fill(self, row: int, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Write (heads, tokens, dim) to a row's first slots."""
        if not self.is_initialized:
            self.lazy_initialization(keys[None], values[None])
        self.keys[row, :, : keys.shape[1]] = keys
        self.values[row, :, : values.shape[1]] = values

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write (rows read, heads, width, dim) to their slots; returns what may be attended to."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        rows, slots, extent = self._owner.rows, self._owner.slots, self._owner.extent
        index = self._owner.row_index
        self.keys[index, :, slots] = key_states.transpose(1, 2)
        self.values[index, :, slots] = value_states.transpose(1, 2)
        return self.keys[:, :, :extent][rows], self.values[:, :, :extent][rows]

    def resize(self, held: Sequence[int]) -> None:
        """Reallocate at the owner's size and keep the first slots that each row holds."""
        if self.is_initialized:
            self.keys = self._resized(self.keys, held)
            self.values = self._resized(self.values, held)

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy a row's first slots to another row."""
        if self.is_initialized:
            self.keys[target, :, :length] = self.keys[source, :, :length]
            self.values[target, :, :length] = self.values[source, :, :length]

    def get_seq_length(self, *args: Any) -> int:
        """Not defined for rows of different lengths; positions are always given explicitly."""
        return 0

    def get_mask_sizes(self, *args: Any) -> tuple[int, int]:
        """(slots that may be attended to, offset of the first)."""
        return self._owner.extent, 0

    def get_max_length(self) -> int:
        """How many tokens a row can hold."""
        return self._owner.capacity

    get_max_cache_shape = get_max_length  # its name in older versions of transformers

    def _empty(self, like: torch.Tensor) -> torch.Tensor:
        # Zeros, not rubbish: a NaN in a masked slot would still spoil a sum.
        heads, dim = like.shape[1], like.shape[3]
        shape = self._owner.row_count, heads, self._owner.capacity + 1, dim
        return like.new_zeros(shape) if like.device.type != "cpu" else lazy_zeros(shape, like.dtype)

    def _resized(self, old: torch.Tensor, held: Sequence[int]) -> torch.Tensor:
        new = self._empty(old)
        for row, length in enumerate(held):
            new[row, :, :length] = old[row, :, :length]
        return new


class SlotCache(Cache):  # type: ignore[misc]
    """`row_count` rows of `capacity` slots in every layer of a model.

    `windows` holds each layer's attention window in tokens (None: unbounded), and `layer_types`
    the name that the model's own masks go by, where it takes one for each type. Rows read what they
    begin with in common together where `shares` is true. Call `place` before each forward pass: it
    says which rows are read, and where their tokens go.
    """

    def __init__(
        self, windows: Sequence[int | None], layer_types: Sequence[str], shares: bool = True
    ) -> None:
        super().__init__(layers=[SlotLayer(self) for _ in windows])
        self._shares = shares
        self._windows = dict(zip(layer_types, windows, strict=True))
        self.row_count, self.capacity = 0, 0
        self.extent = 0
        """How many slots the longest of the rows read has filled, the new tokens included."""

    def resize(self, rows: int, slots: int, held: Sequence[int] = ()) -> None:
        """Give every layer another size; the first rows keep as many slots as each of them held."""
        self.row_count, self.capacity = rows, slots
        for layer in self.layers:
            layer.resize(held)

    def copy(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` slots of a row to another row."""
        for layer in self.layers:
            layer.copy(source, target, length)

    @property
    def slot_bytes(self) -> int:
        """Bytes that one token takes in all layers; 0 before the first forward pass."""
        return sum(
            tensor.shape[1] * tensor.shape[3] * tensor.element_size()
            for layer in self.layers
            if layer.is_initialized
            for tensor in (layer.keys, layer.values)
        )

    def place(
        self,
        rows: Sequence[int],
        lengths: Sequence[int],
        widths: Sequence[int],
        model: Any,
        common: int = 0,
        least: int | None = None,
    ) -> dict[str, Any]:
        """Prepare a forward pass; returns the model's arguments for it but the token ids.

        Row `rows[i]`, which holds `lengths[i]` tokens, is continued by `widths[i]` tokens, padded
        on the left to the widest. All of them begin with the same `common` tokens, which are read
        together where that spares `least` slots (see `plan`).
        """
        width, device = max(widths), model.device
        self.extent = max(map(sum, zip(lengths, widths, strict=True)))
        ends = torch.tensor([sum(pair) for pair in zip(lengths, widths, strict=True)])
        positions = ends[:, None] - width + torch.arange(width)
        pads = positions < torch.tensor(lengths)[:, None]
        self.slots = positions.masked_fill(pads, self.capacity).to(device)
        self.row_index = torch.tensor(rows, device=device)[:, None]
        first, last = min(rows), max(rows)
        whole = list(rows) == list(range(first, last + 1))
        self.rows = slice(first, last + 1) if whole else self.row_index[:, 0]
        common = common if self._shares else 0
        # Pads attend to the first slot, like everything else; nothing ever attends to pads.
        positions = positions.masked_fill(pads, 0).to(device)
        return {
            "position_ids": positions,
            "attention_mask": self._masks(positions, model.dtype, ends.tolist(), common, least),
            "past_key_values": self,
            "use_cache": True,
        }

    def _masks(
        self,
        positions: torch.Tensor,
        dtype: torch.dtype,
        ends: Sequence[int],
        common: int,
        least: int | None,
    ) -> Any:
        """Additive masks (rows, 1, width, extent), one for all layers or one for each type."""
        distance = positions[:, None, :, None] - torch.arange(self.extent, device=positions.device)
        masks = {}
        for window in set(self._windows.values()):
            hidden = distance < 0
            if window is not None:
                hidden = hidden | (distance >= window)
            mask = torch.zeros(hidden.shape, dtype=dtype, device=positions.device)
            masks[window] = mask.masked_fill_(hidden, torch.finfo(dtype).min)
            if mask.device.type == "cpu":
                # For our own attention; what a window hides cannot be read for all alike.
                reading = plan(ends, common if window is None else 0, least)
                masks[window].reading = reading  # type: ignore[attr-defined]
        if len(self._windows) == 1:
            return next(iter(masks.values()))
        return {name: masks[window] for name, window in self._windows.items()}


def lazy_zeros(shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    """Zeros on the CPU that take neither time nor memory until they are written to, by pages."""
    memory = mmap.mmap(
        -1, math.prod(shape) * dtype.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    )
    if hasattr(mmap, "MADV_NOHUGEPAGE"):  # rows fill a small part of their slots at first
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    return torch.frombuffer(memory, dtype=dtype).view(*shape)


def rounded(slots: int) -> int:
    """The next size that slots are allocated in."""
    return -(-slots // UNIT) * UNIT

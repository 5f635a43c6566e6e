"""Decoding in lock-step on a slot cache: each token is computed once.

Every reply that is being decoded has a row, and each pass writes one token in all of them. A row
outlives its replies: the next step of the same episode, and the other mode at the same state,
continue it from the longest prefix of token ids that they share. A reply without a row of its own
copies what some other row shares with it, the system message at least. A reply that ends leaves
its row to the next one at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import torch

from cotgap.agents.core import BackendError
from cotgap.agents.decoding.attention import by_rows
from cotgap.agents.decoding.replies import Reply, Rules, share_time
from cotgap.agents.decoding.slots import UNIT, SlotCache, rounded

# Up to this many tokens are read one a pass, together with what the other rows write: a pass of
# their own would cost as much as a whole round.
SHORT = 4
# Slots of a row at first, if memory allows; moving to a larger cache takes long.
FIRST = 4 * UNIT
# Tokens read in one pass, pads included; bounds the memory of activations.
CHUNK = 2048


@dataclass(eq=False)
class _Row:
    """`tokens` are those in its slots; `pending` ones are read before the reply is written on."""

    tokens: list[int] = field(default_factory=list)
    pending: list[int] = field(default_factory=list)
    reply: Reply | None = None
    key: str = ""
    used: int = 0
    """When it was last given to a reply; counts admissions."""


class LockstepDecoder:
    """Decodes up to `rows` replies at a time, as far as `memory` (bytes) allows.

    `slot_bytes` is what a token takes in the cache. A reply is admitted when there is room for its
    longest outcome, so that none is ever interrupted. Replies of an episode (`cache_key`) that
    holds a row come first, the others in order.
    """

    kind = "slots"

    def __init__(
        self,
        model: Callable[[], Any],
        rules: Rules,
        make_cache: Callable[[], SlotCache],
        *,
        rows: int,
        memory: int,
        slot_bytes: int,
    ) -> None:
        self._model, self._rules, self._make_cache = model, rules, make_cache
        self._most, self._memory, self._slot_bytes = rows, memory, slot_bytes
        self._cache = make_cache()
        self._rows: list[_Row] = []
        self._waiting: list[Reply] = []
        self._ended: list[Reply] = []
        self._clock = 0

    def submit(self, reply: Reply) -> None:
        """See `Decoder`."""
        self._waiting.append(reply)

    def forget(self) -> None:
        """See `Decoder`; frees the cache, so that a failure leaves nothing half done behind."""
        self._waiting, self._ended, self._rows = [], [], []
        self._cache = self._make_cache()

    @torch.inference_mode()
    def advance(self) -> list[Reply]:
        """Admit and read what there is room for, then write one token in every row.

        Raises `BackendError` for a reply that would not fit the memory alone.
        """
        while taken := self._admit():
            self._read(taken)
        if live := self._gather():
            self._feed(live, [1] * len(live))
        ended, self._ended = self._ended, []
        return ended

    def _admit(self) -> list[_Row]:
        """Give rows to waiting replies; returns the rows taken."""
        taken: list[_Row] = []
        for find in (self._own_row, self._other_row):
            for reply in list(self._waiting):
                if not self._make_room(reply):
                    return taken
                if self._worth_waiting(reply, taken):
                    continue
                row = find(reply)
                if row is not None:
                    self._start(reply, row)
                    taken.append(row)
        return taken

    def _make_room(self, reply: Reply) -> bool:
        """Whether one more reply fits, this one's longest outcome included; resizes if need be."""
        slots = max(self._cache.capacity, rounded(len(reply.start) + reply.limit))
        size = slots * self._slot_bytes
        most = min(self._most, self._memory // size)
        if most < 1:
            raise BackendError(
                f"a cache of {self._memory / 2**30:.3g} GiB is too small for one conversation of "
                f"{slots} tokens, which takes {size / 2**30:.3g} GiB. To fix it: more "
                "--cache-memory, or smaller --thought-tokens or --max-steps"
            )
        live = sum(row.reply is not None for row in self._rows)
        if live >= most:
            return False
        wanted = live + len(self._waiting)
        if slots > self._cache.capacity or not min(wanted, most) <= len(self._rows) <= most:
            self._resize(wanted, slots, most)
        return True

    def _resize(self, rows: int, slots: int, most: int) -> None:
        """Make room for as many rows, up to `most`, of as many slots; doubled, to do so rarely."""
        have = len(self._rows)
        if slots > self._cache.capacity:
            spare = self._memory // (self._most * self._slot_bytes) // UNIT * UNIT
            slots = max(slots, min(max(2 * self._cache.capacity, FIRST), spare))
        if rows > have:
            rows = max(rows, 2 * have)
        rows = min(most, max(rows, have))
        self._gather()
        del self._rows[rows:]
        self._cache.resize(rows, slots, [len(row.tokens) for row in self._rows])
        self._rows += [_Row() for _ in range(rows - have)]

    def _worth_waiting(self, reply: Reply, taken: Sequence[_Row]) -> bool:
        """Whether a row that is about to be read will hold more of this prompt than any does."""
        soon = longest((row.tokens + row.pending for row in taken), reply.start)[1]
        if soon <= SHORT:
            return False
        return soon > SHORT + longest((row.tokens for row in self._rows), reply.start)[1]

    def _own_row(self, reply: Reply) -> _Row | None:
        """The idle row that holds most of the reply's episode."""
        key = reply.request.cache_key
        idle = [row for row in self._rows if row.reply is None and row.key == key]
        if not key or not idle:
            return None
        return idle[longest((row.tokens for row in idle), reply.start)[0]]

    def _other_row(self, reply: Reply) -> _Row | None:
        """The idle row that was given away longest ago, filled with the best prefix there is."""
        idle = [row for row in self._rows if row.reply is None]
        if not idle:
            return None
        target = min(idle, key=lambda row: row.used)
        source, common = longest((row.tokens for row in self._rows), reply.start)
        if common > shared(target.tokens, reply.start):
            self._cache.copy(source, self._rows.index(target), common)
            target.tokens = reply.start[:common]
        return target

    def _start(self, reply: Reply, row: _Row) -> None:
        """Go back to where the row and the prompt part, and read on from there."""
        self._waiting.remove(reply)
        self._clock += 1
        # At least one token is read: its logits choose the next.
        kept = min(shared(row.tokens, reply.start), len(reply.start) - 1)
        reply.cached = kept
        row.tokens, row.pending = reply.start[:kept], reply.start[kept:]
        row.reply, row.key, row.used = reply, reply.request.cache_key, self._clock

    def _read(self, taken: Sequence[_Row]) -> None:
        """Read what is too long for lock-step, rows of like lengths in one pass."""
        while todo := [row for row in taken if len(row.pending) > SHORT]:
            widest = min(CHUNK, max(len(row.pending) for row in todo))
            alike = [row for row in todo if 2 * len(row.pending) >= widest]
            group = sorted(map(self._rows.index, alike[: CHUNK // widest]))
            self._feed(group, [min(widest, len(self._rows[i].pending)) for i in group])

    def _gather(self) -> list[int]:
        """Move the rows in use to the front, so that no pass copies keys; returns them."""
        live = [index for index, row in enumerate(self._rows) if row.reply is not None]
        front = range(len(live))
        holes = [index for index in front if self._rows[index].reply is None]
        for hole, index in zip(holes, [i for i in live if i not in front], strict=True):
            row = self._rows[index]
            self._cache.copy(index, hole, len(row.tokens))
            self._rows[hole] = row
            self._rows[index] = _Row(list(row.tokens))
        return list(front)

    def _feed(self, indices: Sequence[int], counts: Sequence[int]) -> None:
        """One pass: each row reads some pending tokens, and writes one if that were the last."""
        begun, model = perf_counter(), self._model()
        rows = [self._rows[index] for index in indices]
        ids = [row.pending[:count] for row, count in zip(rows, counts, strict=True)]
        width = max(counts)
        padded = torch.tensor([[0] * (width - len(some)) + some for some in ids])
        # Long pieces are read by rows of few tokens in common with what others hold.
        common = beginning([row.tokens for row in rows]) if width <= SHORT else 0
        lengths = [len(row.tokens) for row in rows]
        placed = self._cache.place(indices, lengths, counts, model, common)
        with by_rows(model):
            out = model(input_ids=padded.to(model.device), logits_to_keep=1, **placed)
        for row, some in zip(rows, ids, strict=True):
            row.tokens += some
            del row.pending[: len(some)]
        self._write(rows, out.logits[:, -1])
        share_time([row.reply for row in rows if row.reply is not None], perf_counter() - begun)
        for row in rows:
            if row.reply is not None and row.reply.ended:
                self._ended.append(row.reply)
                row.reply, row.pending = None, []

    def _write(self, rows: Sequence[_Row], logits: torch.Tensor) -> None:
        """Append a token to the replies of rows that have nothing pending."""
        ready = [number for number, row in enumerate(rows) if not row.pending]
        replies = [reply for number in ready if (reply := rows[number].reply) is not None]
        if not replies:
            return
        if len(ready) < len(rows):
            logits = logits[torch.tensor(ready, device=logits.device)]
        self._rules.write(replies, logits.float())
        for number, reply in zip(ready, replies, strict=True):
            rows[number].pending = reply.ids[-1:]


def beginning(rows: Sequence[list[int]]) -> int:
    """The length of the longest common prefix of all: that of the least and the greatest."""
    return shared(min(rows), max(rows))


def longest(rows: Iterable[list[int]], tokens: list[int]) -> tuple[int, int]:
    """(Which row begins with most of the tokens, with how many); the first of several."""
    best = most = 0
    for index, row in enumerate(rows):
        # The next token rules out most rows.
        if most < min(len(row), len(tokens)) and row[most] == tokens[most]:
            count = shared(row, tokens)
            if count > most:
                best, most = index, count
    return best, most


def shared(one: list[int], other: list[int]) -> int:
    """The length of the longest common prefix."""
    low, high = 0, min(len(one), len(other))
    if one[:high] == other[:high]:
        return high
    while low < high:  # the first `low` agree, the first `high + 1` do not
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low

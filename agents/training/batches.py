"""Batches without end, made ahead in a background process."""

from __future__ import annotations

import random
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset

from cotgap.agents.rendering import Renderer
from cotgap.agents.training.batching import collate
from cotgap.agents.training.drills import drill, echo
from cotgap.agents.training.masking import IGNORE_INDEX
from cotgap.agents.training.sequences import Objective, Tree, encode, join
from cotgap.agents.training.sources import Source
from cotgap.envs.core import CoTGapError

POOL = 16  # batches whose episodes are sorted by length together, so that little is padded


def _leave_signals(_: int) -> None:
    """What stops training is for the process that trains, and this one ends with it."""
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)


def _arrays(batch: Any) -> dict[str, Any]:
    return {name: tensor.numpy() for name, tensor in batch.items()}


class _Piped(DataLoader[Any]):
    """Takes batches from the other process as arrays, through a pipe.

    Tensors would come through shared memory: where that is small, as in containers, or a file may
    not grow, they never arrive, and training would wait for ever.
    """

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:  # type: ignore[override]
        for arrays in super().__iter__():
            yield {name: torch.from_numpy(array) for name, array in arrays.items()}


@dataclass(frozen=True)
class Batches(IterableDataset[dict[str, torch.Tensor]]):
    """Batch n holds the same episodes and drills whenever it is made.

    `size` episodes, `drills` drills (over `names`) and `echoes` echoes a batch, from batch `start`
    on. What is short is packed into rows as long as the longest tree.
    """

    source: Source
    renderer: Renderer
    objective: Objective
    size: int
    drills: int = 0
    echoes: int = 0
    names: tuple[str, ...] = ()
    start: int = 0

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        number, skip = divmod(self.start, POOL)
        while True:
            for trees in self._pool(number)[skip:]:
                yield collate(trees)
            number, skip = number + 1, 0

    def loader(self, start: int) -> DataLoader[Any]:
        """From batch `start` on, made by another process where that is possible."""
        rest = replace(self, start=start)
        if sys.platform != "linux":  # elsewhere, processes do not fork and tokenizers not travel
            return DataLoader(rest, batch_size=None)
        return _Piped(
            rest,
            batch_size=None,
            collate_fn=_arrays,
            num_workers=1,
            prefetch_factor=POOL,
            multiprocessing_context="fork",
            worker_init_fn=_leave_signals,
        )

    def _pool(self, number: int) -> list[list[Tree]]:
        """`POOL` batches, in random order."""
        dice = random.Random(f"pool|{self.objective.seed}|{number}")
        trees = sorted(self._episodes(number * POOL * self.size), key=len) if self.size else []
        drills = list(self._drills(number * POOL))
        dice.shuffle(drills)
        # Some episodes are not won and some give two trees, so that sizes differ a little.
        batches = [_batch(_part(trees, n), _part(drills, n)) for n in range(POOL)]
        dice.shuffle(batches)
        return [batch or trees[:1] for batch in batches]

    def _drills(self, place: int) -> Iterator[Tree]:
        """Those of the `POOL` batches from `place` on."""
        for number in range(place * self.drills, (place + POOL) * self.drills):
            yield drill(self.names, self.renderer, f"{self.objective.seed}|{number}")
        for number in range(place * self.echoes, (place + POOL) * self.echoes):
            yield echo(self.renderer, f"{self.objective.seed}|{number}")

    def _episodes(self, first: int) -> Iterator[Tree]:
        number, missing = first, 0
        while number < first + POOL * self.size:
            episode = self.source.episode(number)
            number += 1
            if episode is not None:
                for tree in encode(episode, self.renderer, self.objective):
                    if (tree.labels != IGNORE_INDEX).any():
                        yield tree
            else:
                missing += 1
        if missing == POOL * self.size:
            raise CoTGapError("the expert won no episode of this data; nothing to train on")


def _batch(trees: Sequence[Tree], drills: Sequence[Tree]) -> list[Tree]:
    return [*trees, *pack(drills, max(map(len, [*trees, *drills]), default=0))]


def _part(trees: Sequence[Tree], number: int) -> Sequence[Tree]:
    """Slice `number` of the `POOL` slices of trees."""
    return trees[len(trees) * number // POOL : len(trees) * (number + 1) // POOL]


def pack(trees: Sequence[Tree], width: int) -> list[Tree]:
    """Trees joined into as few rows of `width` tokens as first fit finds (longer ones alone)."""
    rows: list[list[Tree]] = []
    for tree in sorted(trees, key=len, reverse=True):
        room = (row for row in rows if sum(map(len, row)) + len(tree) <= width)
        if (row := next(room, None)) is not None:
            row.append(tree)
        else:
            rows.append([tree])
    return [join(row) for row in rows]

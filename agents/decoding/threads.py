"""How many threads to compute with: measured, as it depends on the model and on who else computes.

For small models, and on a machine that is busy, threads wait for each other longer than they
compute: two can take ten times as long as one.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

import torch

ROWS, ROUNDS = 8, 4


def set_threads(threads: int | None, model: Any) -> None:
    """Set torch's threads, for this whole process.

    `None` is one thread, or as many as torch has now, whichever decodes faster here and now. On
    CUDA it changes nothing.
    """
    now = torch.get_num_threads()
    if threads is None and model.device.type == "cpu" and now > 1:
        times = {1: 0.0, now: 0.0}
        for _ in range(ROUNDS):  # in turns, so that what else goes on slows down both
            for count in times:
                torch.set_num_threads(count)
                times[count] += _round(model)
        threads = min(times, key=lambda count: times[count])
    torch.set_num_threads(threads or now)


@torch.inference_mode()
def _round(model: Any) -> float:
    """Seconds that a token in each of a few rows takes."""
    ids = torch.ones(ROWS, 1, dtype=torch.long)
    model(input_ids=ids, use_cache=False, logits_to_keep=1)  # threads start here
    begun = perf_counter()
    model(input_ids=ids, use_cache=False, logits_to_keep=1)
    return perf_counter() - begun

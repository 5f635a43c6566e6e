"""Other people's numbers: context for ours, never ranked with them."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """Somebody's success rate on a panel, read at `source`; what else differs is in `but`.

    `protocol` is in the words of `cotgap.benchmark.sweeps.rescore`: `50 steps` is the step limit.
    """

    panel: str
    protocol: str
    value: float
    n: int
    who: str
    but: str
    source: str


# Numbers that were read in the source itself.
PUBLISHED = (
    Published(
        panel="alfworld/valid_unseen",
        protocol="50 steps",
        value=0.784,
        n=134,
        who="ReAct, GPT-3 text-davinci-002",
        but="two examples of the task's type; at most 49 turns, and thoughts are turns",
        source="https://github.com/ysymyth/ReAct (README.md, alfworld.ipynb)",
    ),
    Published(
        panel="alfworld/valid_unseen",
        protocol="50 steps",
        value=0.709,
        n=134,
        who="ReAct, PaLM-540B",
        but="as the authors' README gives it from their paper (arXiv 2210.03629)",
        source="https://github.com/ysymyth/ReAct (README.md)",
    ),
)


def published(panel: str, protocol: str) -> tuple[Published, ...]:
    """What is known of a panel (whatever its task type or wording) under a protocol."""
    base = re.split("[:@]", panel)[0]
    return tuple(one for one in PUBLISHED if (one.panel, one.protocol) == (base, protocol))

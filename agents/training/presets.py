"""Recipes by name: what `cotgap train --preset` takes, and the figures behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cotgap.envs.core import CoTGapError, UnknownNameError

COT: Mapping[str, float] = {"cot": 1.0}
DIRECT: Mapping[str, float] = {"direct": 1.0}


@dataclass(frozen=True, slots=True)
class Stage:
    """One run of the optimiser.

    `steps` updates of `batch_size` episodes each. The learning rate is warmed up over `warmup`
    updates and, over the last `decay` (share) of the others, decayed to a tenth along a cosine.
    `mix` and `observations` are those of `Objective`; `drills` and `echoes` are the numbers of
    look-up drills and of echoes that every batch holds besides (with a `batch_size` of 0, nothing
    else). `recall` is the share of held-out drills of each kind that must be answered in the end
    for the next stage to make sense. `checkpoints` is the length of the geometric series,
    `measured` the number of held-out episodes that exactness is measured on.
    """

    steps: int
    batch_size: int
    learning_rate: float
    warmup: int
    decay: float = 1.0
    mix: Mapping[str, float] = field(default_factory=lambda: dict(COT))
    observations: bool = False
    drills: int = 0
    echoes: int = 0
    recall: float = 0.0
    weight_decay: float = 0.01
    checkpoints: int = 8
    measured: int = 48


@dataclass(frozen=True, slots=True)
class Preset:
    """A model and how it is trained. `architecture` (None: a pretrained one) is Llama's.

    The stages of `before` come first, in order, on a model that starts from nothing; each has its
    folder by that name.
    """

    panels: tuple[str, ...]
    stage: Stage
    before: Mapping[str, Stage] = field(default_factory=dict)
    architecture: Mapping[str, Any] | None = None
    pretrained: str | None = None
    lora: int = 0
    noise: float = 0.1


# 1.9 million parameters with the vocabulary of household games. Looking up takes layers more than
# width, and heads of 64 rather than of 32.
SMALL: Mapping[str, Any] = {
    "hidden_size": 192,
    "intermediate_size": 480,
    "num_hidden_layers": 4,
    "num_attention_heads": 3,
    "num_key_value_heads": 3,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": True,
}
# Copying appears between updates 350 and 600 (0.7 to 1.2 million tokens), after a plateau that a
# rate which has decayed by then would prolong. Without echoes, 1.8 million tokens of drills taught
# nothing; after them, 0.2 million taught to find names in one list.
ECHOES = Stage(
    steps=800,
    batch_size=0,
    learning_rate=1e-3,
    warmup=50,
    decay=0.2,
    echoes=72,
    recall=0.9,
    checkpoints=1,
    measured=0,
)
DRILLS = Stage(
    steps=1000,
    batch_size=0,
    learning_rate=1e-3,
    warmup=50,
    decay=0.2,
    drills=10,
    echoes=4,
    recall=0.6,
    checkpoints=1,
    measured=0,
)
# The games' own text and transcripts of actions alone; then thoughts as well. From thoughts alone
# right after the transcripts, 1.6 million tokens of thoughts undid the prompt actions (from 65 % of
# games won to none) before CoT actions were learned (25 %).
TRANSCRIPTS = Stage(
    steps=1000,
    batch_size=4,
    learning_rate=1e-3,
    warmup=50,
    decay=0.5,
    mix=DIRECT,
    observations=True,
    drills=8,
    checkpoints=1,
)
BASE = Stage(
    steps=900,
    batch_size=4,
    learning_rate=1e-3,
    warmup=30,
    mix={"both": 1.0},
    drills=2,
    checkpoints=1,
)
EARLIER = {"echoes": ECHOES, "drills": DRILLS, "transcripts": TRANSCRIPTS}
PRESETS: dict[str, Preset] = {
    "tiny": Preset(
        panels=("household/train",),
        stage=Stage(steps=128, batch_size=4, learning_rate=3e-4, warmup=10, checkpoints=6),
        before={**EARLIER, "base": BASE},
        architecture=SMALL,
    ),
    "tiny-base": Preset(
        panels=("household/train",),
        stage=BASE,
        before=EARLIER,
        architecture=SMALL,
    ),
    "smollm2": Preset(
        panels=("household/train",),
        # Actions alone as well: it has no base stage, and from thoughts alone its prompt actions
        # stayed at 14 to 20 % exact when its CoT actions were at 100 %. A run of 192 updates won 4
        # of 8 games in mode prompt and none in mode cot; this one wins nearly all in both.
        stage=Stage(
            steps=768,
            batch_size=1,
            learning_rate=7e-4,
            warmup=20,
            mix={"both": 1.0},
            checkpoints=6,
            measured=6,
        ),
        pretrained="smollm2",
        lora=8,
    ),
}


def get_preset(name: str) -> Preset:
    """The preset of that name; raises `UnknownNameError`."""
    try:
        return PRESETS[name]
    except KeyError:
        raise UnknownNameError("preset", name, PRESETS) from None


def geometric(steps: int, count: int) -> list[int]:
    """At most `count` numbers of updates, each twice the one before, the last being `steps`."""
    return sorted({max(1, steps >> power) for power in range(count)})


def parse_steps(texts: Sequence[str]) -> dict[str, int]:
    """Read several of `base=100`; raises `CoTGapError` for another form."""
    found = {}
    for text in texts:
        name, _, steps = text.partition("=")
        if not steps.isdecimal():
            raise CoTGapError(f"bad --stage-steps {text!r}: expected base=100 or so")
        found[name] = int(steps)
    return found


def parse_mix(text: str) -> dict[str, float]:
    """Read `cot=0.7,direct=0.3`; raises `CoTGapError` for another form."""
    mix = {}
    for part in text.split(","):
        name, _, share = part.partition("=")
        try:
            mix[name] = float(share)
        except ValueError:
            raise CoTGapError(f"bad --mix {text!r}: expected cot=0.7,direct=0.3 or so") from None
    return mix

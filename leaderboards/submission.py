"""What a submission holds: who entered, the runs' resolved configurations, every episode.

Plain data without a claim that anything of it is true: `cotgap.leaderboards.verifying` replays it.
A submission says nothing that a run does not record, but for its `Entrant`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from cotgap.benchmark.records.config import PanelPlan
from cotgap.benchmark.records.episode import Episode

SCHEMA = 1

Tier = Literal["self-reported", "replayed", "re-decoded"]
"""How far the numbers can be trusted, in ascending order. self-reported: nothing was checked
beyond the form. replayed: every action was played again in the real environment and everything
was recomputed from the raw texts. re-decoded: also, the checkpoint was at hand and gave the same
replies at randomly drawn steps."""

# Drawn steps from which on a file earns "re-decoded": if 30 of 30 agree, then with 95 %
# confidence fewer than one step in ten was not decoded so (1 - 0.05 ** (1 / 30) = 0.095).
LEAST = 30
# Where rounding may differ, the lower end of the 95 % interval of the agreement must reach this:
# most replies must surely be the checkpoint's. In bfloat16, or on a server that batches as it
# likes, near-ties between tokens flip with the batch, and one flip changes all that follows in a
# reply, so that long replies of an honest run part in a tenth to a third of cases. It catches
# texts that the checkpoint never wrote, not a few forged among many; the receipt says how many
# agreed.
INEXACT = 0.5


@dataclass(frozen=True)
class Entrant:
    """Who entered, in their own words; `name` is the agent's name on the boards.

    `card` is the checkpoint's card (see `cotgap.agents.training.checkpoints`): what it was trained
    on decides what is in-domain (`cotgap.benchmark.domain.relate`); None: not told.
    """

    name: str
    organisation: str = ""
    url: str = ""
    description: str = ""
    card: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class SubmittedRun:
    """One run: its `run.json` (configuration, versions, sessions), and its episodes.

    `config` is `RunConfig.to_json()`, `digest` the SHA-256 over it, `versions` the circumstances
    under which it was started and resumed.
    """

    digest: str
    config: Mapping[str, Any]
    versions: tuple[Mapping[str, str], ...]
    hardware: Mapping[str, str]
    plans: tuple[PanelPlan, ...]
    episodes: tuple[Episode, ...]


@dataclass(frozen=True)
class Submission:
    """One agent's runs. All are of one agent: name, fingerprint, dtype and backend are equal."""

    entrant: Entrant
    runs: tuple[SubmittedRun, ...]
    schema: int = SCHEMA


@dataclass(frozen=True)
class Receipt:
    """What a verifier found of a submission file with this SHA-256 (hex), kept beside it.

    `date` is ISO (YYYY-MM-DD); `versions` are the verifier's. `redecoded` and `agreed` count the
    steps that were decoded again, and of these the equal ones; `seed` drew them.
    """

    sha256: str
    tier: Tier
    date: str
    versions: Mapping[str, str] = field(default_factory=dict)
    redecoded: int = 0
    agreed: int = 0
    seed: int = 0


@dataclass(frozen=True)
class Entry:
    """A submission on the boards. `slug` is its file's name without the suffix."""

    slug: str
    submission: Submission
    receipt: Receipt | None

    @property
    def tier(self) -> Tier:
        """That of its receipt; without one, self-reported."""
        return self.receipt.tier if self.receipt else "self-reported"

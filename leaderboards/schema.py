"""What a submission holds: who entered, the runs' resolved configurations, every episode.

Plain data without a claim that anything of it is true: `cotgap.leaderboards.verify` replays it.
A submission says nothing that a run does not record, but for its `Entrant`. On disk it is one line
of JSON with its `Header` and one for each `PlayedEpisode`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field
from typing_extensions import NotRequired, TypedDict

from cotgap.agents.core import Tags
from cotgap.benchmark.records.config import RunConfig, TaskId
from cotgap.benchmark.records.episode import Episode
from cotgap.envs.schema import Count, Free, Items, Label, Line, Record, foreign, line, shown

# A slug is a file's name and part of a page's address.
SLUG = "[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?"

Tier = Literal["self-reported", "replayed", "re-decoded"]
"""How far the numbers can be trusted, in ascending order. self-reported: nothing was checked
beyond the form. replayed: every action was played again in the real environment and everything
was recomputed from the raw texts. re-decoded: also, the checkpoint was at hand and gave the same
replies at randomly drawn steps, some of every success."""

# Drawn steps from which on a file earns "re-decoded": if 30 of 30 agree, then with 95 %
# confidence fewer than one step in ten was not decoded so (1 - 0.05 ** (1 / 30) = 0.095).
LEAST = 30
# Of the drawn replies of a run in bfloat16 or float16, at least this share must be the same in
# float32. Near-ties between tokens flip with the rounding, and one flip changes all that follows in
# a reply, so that long replies of an honest run part in a tenth to a third of cases.
EQUAL = 0.5
# Of these, all runs of a submission hold the same: they are of one agent.
SAME_AGENT = ("name", "fingerprint", "tags", "backend", "dtype")

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

Circumstances = Annotated[Mapping[Label, Line], Field(max_length=32)]
"""Versions or hardware, by name."""


class TrainedOn(TypedDict):
    """A panel that a checkpoint was trained on."""

    suite: Label
    panel: Label
    kinds: Items[Line]
    wording: Label
    endless: NotRequired[bool]
    held_out_tasks: NotRequired[Items[TaskId]]
    noise: NotRequired[Annotated[float, Field(ge=0, le=1)]]
    suite_version: NotRequired[Label]
    lock: NotRequired[Sha256]


class Parent(TypedDict, total=False):
    """The checkpoint that another one started from."""

    name: Label | None
    fingerprint: Sha256 | None
    step: Count | None
    trained_on: Items[TrainedOn]


class Card(TypedDict, total=False):
    """What is kept of a checkpoint's card; its curves and measurements are left out."""

    trained_on: Items[TrainedOn]
    parent: Parent | None
    step: Count | None
    parameters: Annotated[int, Field(ge=0, le=10**14)] | None
    tokens: Annotated[int, Field(ge=0, le=10**16)] | None
    data_sha256: Sha256 | None
    config: Free | None


# Drawn as nothing, though Unicode calls them letters, marks or symbols.
BLANK = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\u034f")
VARIATIONS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))


def is_web_address(text: str) -> bool:
    """Whether it is an http(s) address in ASCII that hides no name or password."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
    except ValueError:
        return False
    return bool(good) and text.isascii() and not re.search(r"[\s\"'<>\\`]", text)


def _check_address(text: str) -> None:
    if text and not is_web_address(text):
        raise ValueError(f"{shown(text)} is no http:// or https:// address in ASCII")


def _check_seen(text: str) -> None:
    for char in text:
        if char in BLANK or any(ord(char) in part for part in VARIATIONS):
            raise ValueError(f"holds U+{ord(char):04X}, which cannot be seen")


@dataclass(frozen=True)
class Entrant(Record):
    """Who entered, in their own words; `name` is the agent's name on the boards.

    `owner` is the account at the repository's host that may replace or remove the entry; empty:
    only those who keep the boards may.

    `card` is the checkpoint's card (see `cotgap.agents.training.checkpoints`): what it was trained
    on decides what is in-domain (`cotgap.benchmark.domain.relate`); None: not told.
    """

    name: Annotated[str, line(80, least=1), foreign(_check_seen)]
    organisation: Annotated[str, line(80), foreign(_check_seen)] = ""
    url: Annotated[str, line(300), foreign(_check_address)] = ""
    description: Annotated[str, line(1_000)] = ""
    card: Card | None = None
    owner: Annotated[str, Field(pattern="^([A-Za-z0-9](-?[A-Za-z0-9]){0,38})?$")] = ""


@dataclass(frozen=True)
class AgentFacts(Record):
    """What is relied on of an agent's description, which holds more."""

    name: Label
    fingerprint: Sha256
    protocol: Label
    tags: Tags
    backend: Label


@dataclass(frozen=True)
class RunFacts(Record):
    """A run's `run.json`: the digest over its configuration, and under which versions it was
    started and resumed; and the hardware that its entrant tells of.
    """

    digest: Sha256
    config: RunConfig
    versions: Annotated[Items[Circumstances], Field(min_length=1)]
    hardware: Circumstances


@dataclass(frozen=True)
class SubmittedRun(RunFacts):
    """A run with its episodes."""

    episodes: tuple[Episode, ...]


@dataclass(frozen=True)
class Submission:
    """One agent's runs. All are of one agent: name, fingerprint, dtype and backend are equal."""

    entrant: Entrant
    runs: tuple[SubmittedRun, ...]


@dataclass(frozen=True)
class Header(Record):
    """The first line of a submission's file: all of it but the episodes."""

    entrant: Entrant
    runs: Annotated[Items[RunFacts], Field(min_length=1, max_length=32)]
    schema: Literal[1] = 1


@dataclass(frozen=True)
class PlayedEpisode(Record):
    """Every other line: an episode, and the index of its run."""

    run: Count
    episode: Episode


def _check_date(text: str) -> str:
    if not re.fullmatch("[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])", text):
        raise ValueError(f"{shown(text)} is no date (YYYY-MM-DD)")
    return text


@dataclass(frozen=True)
class Receipt(Record):
    """What a verifier found of a submission file with this SHA-256 (hex), kept beside it.

    `date` is ISO (YYYY-MM-DD); `versions` are the verifier's. `redecoded` and `agreed` count the
    steps that were decoded again, and of these the equal ones (the others parted where two tokens
    were nearly as likely); `seed` drew them. `flips`: so many failures that a forged step each
    turned into successes would have been found with 95 % (0: not even all).
    """

    sha256: Sha256
    tier: Tier
    date: Annotated[str, AfterValidator(_check_date)]
    versions: Circumstances = field(default_factory=dict)
    redecoded: Count = 0
    agreed: Count = 0
    seed: Annotated[int, Field(ge=0, le=2**63)] = 0
    flips: Count = 0


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


def other_agent(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """The first of `SAME_AGENT` in which two runs' agents differ; empty where they are one."""
    return next((name for name in SAME_AGENT if one.get(name) != other.get(name)), "")

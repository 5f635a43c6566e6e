"""Options of the boards' commands; importing them imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from cotgap.agents.options import LoadingOptions

VERIFY_CODES = (
    "Exit codes: 0 verified, 1 something is not as it says, 2 no submission file or bad usage, "
    "3 some of it could not be replayed here."
)


@dataclass(frozen=True, kw_only=True)
class SubmitOptions:
    """Pack runs into a submission file: configuration, every text and action, nothing derived."""

    EXAMPLES: ClassVar = (
        "cotgap submit runs/ckpt-both-1a2b3c4d",
        "cotgap submit runs/A runs/B --card agent.yaml --organisation 'My group'",
        "cotgap submit runs/A --card path/to/my-checkpoint --name 'My agent'",
    )
    NOTE: ClassVar = "Exit codes: 0 written, 2 refused (incomplete, or of several agents)."

    runs: Annotated[list[Path], typer.Argument(help="Complete run folders of one agent.")]
    name: Annotated[
        str | None, typer.Option(help="The name on the boards. [default: the agent's]")
    ] = None
    organisation: Annotated[str | None, typer.Option(help="Who enters.")] = None
    url: Annotated[str | None, typer.Option(help="Where to read more.")] = None
    description: Annotated[str | None, typer.Option(help="One sentence.")] = None
    owner: Annotated[
        str | None, typer.Option(help="Your GitHub account: it may replace the entry later.")
    ] = None
    card: Annotated[
        Path | None,
        typer.Option(
            help="YAML or JSON with these fields and trained_on, or a checkpoint's folder with a "
            "card.json. [default: a bundled checkpoint's own]",
            show_default=False,
        ),
    ] = None
    out: Annotated[
        Path | None,
        typer.Option(help="The file. [default: NAME.jsonl.xz here]", show_default=False),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ReplayOptions:
    """How submissions are replayed."""

    workers: Annotated[
        int | None,
        typer.Option(
            help="Processes that replay. [default: as many as processors]",
            min=1,
            show_default=False,
        ),
    ] = None
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress display.")] = False


@dataclass(frozen=True, kw_only=True)
class VerifyOptions:
    """Check a submission file: parse every reply and play every action again, and compare."""

    EXAMPLES: ClassVar = (
        "cotgap verify my-agent.jsonl.xz",
        "cotgap verify my-agent.jsonl.xz --redecode 60 --agent path/to/my-checkpoint --receipt",
    )
    NOTE: ClassVar = VERIFY_CODES

    file: Annotated[Path, typer.Argument(help="What `submit` wrote.")]
    redecode: Annotated[
        int | None,
        typer.Option(
            help="Also decode N randomly drawn steps again, with --agent: at least one of every "
            "success.",
            min=1,
        ),
    ] = None
    agent: Annotated[
        str | None, typer.Option(help="The submission's checkpoint, as for `cotgap run`.")
    ] = None
    seed: Annotated[
        int | None,
        typer.Option(
            help="Decides which steps are drawn. [default: a secret one, so that nobody knows "
            "beforehand which]",
            min=0,
            show_default=False,
        ),
    ] = None
    loading: LoadingOptions = LoadingOptions()
    receipt: Annotated[
        bool, typer.Option("--receipt", help="Write FILE's receipt beside it, if verified.")
    ] = False
    replay: ReplayOptions = ReplayOptions()


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """Verify all entries of the boards, and that no receipt claims more than was found."""

    EXAMPLES: ClassVar = (
        "cotgap check",
        "cotgap check proposed/leaderboards/entries --since leaderboards/entries --actor me",
    )
    NOTE: ClassVar = "Exit codes: as for `cotgap verify`, of the worst entry."

    folder: Annotated[
        Path | None,
        typer.Argument(help="[default: leaderboards/entries]", show_default=False),
    ] = None
    since: Annotated[
        Path | None,
        typer.Option(help="Only entries that are not the same in this folder.", show_default=False),
    ] = None
    actor: Annotated[
        str,
        typer.Option(
            help="With --since: the account whose change this is. It may replace and remove its "
            "own entries only."
        ),
    ] = ""
    maintainer: Annotated[
        bool,
        typer.Option(
            "--maintainer",
            help="With --since: the change is by who keeps the boards, whose entries and receipts "
            "may be anything that is verified.",
        ),
    ] = False
    replay: ReplayOptions = ReplayOptions()


@dataclass(frozen=True, kw_only=True)
class EntriesOptions:
    """Which entries are on the boards."""

    entries: Annotated[
        Path | None, typer.Option(help="[default: leaderboards/entries]", show_default=False)
    ] = None


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """Write the boards as static pages: no server, no network, nothing else to install."""

    EXAMPLES: ClassVar = ("cotgap board build --out site",)

    out: Annotated[Path, typer.Option(help="The site's folder.")] = Path("site")
    entries: EntriesOptions = EntriesOptions()


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """Build the boards and show them at 127.0.0.1, until Ctrl-C."""

    EXAMPLES: ClassVar = ("cotgap board serve --port 8000",)

    port: Annotated[int, typer.Option(help="0: any that is free.", min=0, max=65_535)] = 8000
    out: Annotated[
        Path | None,
        typer.Option(help="The site's folder. [default: a temporary one]", show_default=False),
    ] = None
    entries: EntriesOptions = EntriesOptions()

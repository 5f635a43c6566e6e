"""The command line: `cotgap COMMAND`. Heavy imports wait for their command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

EXIT_USAGE = 2

app = typer.Typer(
    name="leaderboards",
    help="Boards of verified submissions: pack runs, verify them by replaying, show them.",
    epilog="Start with: cotgap submit runs/MY-RUN",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
)

SUBMIT_EXAMPLES = """Examples:

    cotgap submit runs/ckpt-both-1a2b3c4d

    cotgap submit runs/A runs/B --card agent.yaml --organisation 'My group'

    cotgap submit runs/A --card path/to/my-checkpoint --name 'My agent'

Exit codes: 0 written, 2 refused (incomplete, or of several agents)."""


@app.command(epilog=SUBMIT_EXAMPLES)
def submit(
    runs: Annotated[list[Path], typer.Argument(help="Complete run folders of one agent.")],
    name: Annotated[
        str | None, typer.Option(help="The name on the boards. [default: the agent's]")
    ] = None,
    organisation: Annotated[str | None, typer.Option(help="Who enters.")] = None,
    url: Annotated[str | None, typer.Option(help="Where to read more.")] = None,
    description: Annotated[str | None, typer.Option(help="One sentence.")] = None,
    card: Annotated[
        Path | None,
        typer.Option(
            help="YAML or JSON with these fields and trained_on, or a checkpoint's folder with a "
            "card.json. [default: a bundled checkpoint's own]",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The file. [default: NAME.jsonl.xz here]", show_default=False),
    ] = None,
) -> None:
    """Pack runs into a submission file: configuration, every text and action, nothing derived."""
    from cotgap.leaderboards.commands.submit import execute

    options = {"name": name, "organisation": organisation, "url": url, "description": description}
    execute(runs, options=options, card=card, out=out)


VERIFY_EXAMPLES = """Examples:

    cotgap verify my-agent.jsonl.xz

    cotgap verify my-agent.jsonl.xz --redecode 60 --agent path/to/my-checkpoint --receipt

Exit codes: 0 verified, 1 something is not as it says, 2 no submission file or bad usage, 3 some of
it could not be replayed here."""


@app.command(epilog=VERIFY_EXAMPLES)
def verify(
    file: Annotated[Path, typer.Argument(help="What `submit` wrote.")],
    redecode: Annotated[
        int | None,
        typer.Option(help="Also decode N randomly drawn steps again, with --agent.", min=1),
    ] = None,
    agent: Annotated[
        str | None, typer.Option(help="The submission's checkpoint, as for `benchmark run`.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Decides which steps are drawn. [default: a secret one, so that nobody knows "
            "beforehand which]",
            min=0,
            show_default=False,
        ),
    ] = None,
    tokenizer: Annotated[
        Path | None, typer.Option(help="With a server as --agent: as for `benchmark run`.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Requests at a time.", min=1)] = None,
    receipt: Annotated[
        bool, typer.Option("--receipt", help="Write FILE's receipt beside it, if verified.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Processes that replay. [default: as many as processors]",
            min=1,
            show_default=False,
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress display.")] = False,
) -> None:
    """Check a submission file: parse every reply and play every action again, and compare."""
    from cotgap.leaderboards.commands.verify import RedecodeOptions, execute

    if (redecode is None) != (agent is None):
        raise typer.BadParameter("--redecode N and --agent CHECKPOINT go together")
    redecoding = None
    if redecode is not None and agent is not None:
        options = {"tokenizer": tokenizer, "device": device, "batch_size": batch_size}
        redecoding = RedecodeOptions(redecode, agent, seed, options)
    raise typer.Exit(
        execute(file, workers=workers, redecoding=redecoding, receipt=receipt, quiet=quiet)
    )


CHECK_EXAMPLES = """Examples:

    cotgap check

    cotgap check proposed/leaderboards/entries --since leaderboards/entries

Exit codes: as for `verify`, of the worst entry."""


@app.command(epilog=CHECK_EXAMPLES)
def check(
    folder: Annotated[
        Path | None,
        typer.Argument(help="[default: leaderboards/entries]", show_default=False),
    ] = None,
    since: Annotated[
        Path | None,
        typer.Option(help="Only entries that are not the same in this folder.", show_default=False),
    ] = None,
    trust_redecoded: Annotated[
        bool,
        typer.Option(
            "--trust-redecoded",
            help="With --since: accept receipts that claim re-decoded, too.",
        ),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Processes that replay. [default: as many as processors]",
            min=1,
            show_default=False,
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress display.")] = False,
) -> None:
    """Verify all entries of the boards, and that no receipt claims more than was found."""
    from cotgap.leaderboards.commands.check import execute
    from cotgap.leaderboards.entries import FOLDER

    raise typer.Exit(
        execute(
            folder or FOLDER,
            since=since,
            trust_redecoded=trust_redecoded,
            workers=workers,
            quiet=quiet,
        )
    )


ENTRIES = typer.Option(help="[default: leaderboards/entries]", show_default=False)


@app.command()
def build(
    out: Annotated[Path, typer.Option(help="The site's folder.")] = Path("site"),
    entries: Annotated[Path | None, ENTRIES] = None,
) -> None:
    """Write the boards as static pages: no server, no network, nothing else to install."""
    from cotgap.leaderboards.commands.build import execute

    execute(out, entries)


@app.command()
def serve(
    port: Annotated[int, typer.Option(help="0: any that is free.", min=0, max=65_535)] = 8000,
    out: Annotated[
        Path | None,
        typer.Option(help="The site's folder. [default: a temporary one]", show_default=False),
    ] = None,
    entries: Annotated[Path | None, ENTRIES] = None,
) -> None:
    """Build the boards and show them at 127.0.0.1, until Ctrl-C."""
    from cotgap.leaderboards.commands.serve import execute

    execute(out, entries, port)


def main() -> None:
    """Run the command line; an error its user can solve is a message and exit code 2."""
    try:
        app()
    except Exception as error:
        from cotgap.envs.core import CoTGapError

        if not isinstance(error, CoTGapError):
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(EXIT_USAGE)


if __name__ == "__main__":
    main()

"""The command `python -m tools.bfcl`."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer
from rich.console import Console

import tools.bfcl
from cotgap.envs.bfcl.data import ITEMS, SPLITS, data_folder, entries, read_item
from cotgap.envs.bfcl.suite import SUITE
from tools.bfcl import parity
from tools.cli import need, run

app = typer.Typer(help=tools.bfcl.__doc__, add_completion=False, no_args_is_help=True)
console = Console(highlight=False)


@app.command(epilog="Example: `python -m tools.bfcl replay`")
def replay(
    count: Annotated[
        int | None, typer.Option(help="Tasks of each category.", show_default="all")
    ] = None,
) -> None:
    """Play every ground truth here and in the package, and compare verdicts and texts."""
    need(SUITE)
    different = 0
    for split in SPLITS:
        replays = list(parity.replay(SUITE.panels[split], count))
        wrong = [one for one in replays if one.ours != one.package or not one.same_texts]
        rejected = [one.task for one in replays if not one.package]
        different += len(wrong)
        console.print(
            f"{split}: {len(replays)} ground truths, {len(replays) - len(wrong)} the same in "
            f"verdict and text, {len(rejected)} rejected by the package {rejected or ''}",
            soft_wrap=True,
        )
        for one in wrong:
            console.print(f"  {one}")
    raise typer.Exit(bool(different))


@app.command(epilog="Example: `python -m tools.bfcl mutate --count 500`")
def mutate(
    count: Annotated[int, typer.Option(help="Sequences of each category.")] = 100,
    seed: Annotated[int, typer.Option(help="Draws the mutations.")] = 0,
) -> None:
    """Compare verdicts with the package's own on mutated ground truths."""
    need(SUITE)
    different = 0
    for split in SPLITS:
        pairs = list(parity.compare(SUITE.panels[split], count, seed))
        wrong = [pair for pair in pairs if pair.ours != pair.package]
        accepted = Counter(pair.mutation for pair in pairs if pair.package)
        different += len(wrong)
        console.print(f"{split}: {len(pairs) - len(wrong)} of {len(pairs)} verdicts the same")
        kinds = ", ".join(f"{number} {kind}" for kind, number in accepted.items())
        console.print(f"  accepted: {kinds}", soft_wrap=True)
        for pair in wrong:
            console.print(f"  {pair}")
    raise typer.Exit(bool(different))


@app.command(epilog="Example: `python -m tools.bfcl rewrite`")
def rewrite() -> None:
    """Rewrite the list of tasks for a new version of the package; panels and locks change."""
    need(SUITE)
    lines = []
    for split in SPLITS:
        for number in range(len(entries(data_folder(), split)[0])):
            item = read_item(data_folder(), split, str(number))
            kind = "+".join(sorted(item.classes))
            digests = [digest[:8] for digest in item.parts.values()]
            lines.append("\t".join([split, str(number), kind, item.content, *digests]))
    ITEMS.write_text("\n".join(lines) + "\n", encoding="ascii")
    console.print(f"{ITEMS.name}: {len(lines)} tasks")


if __name__ == "__main__":
    run(app)

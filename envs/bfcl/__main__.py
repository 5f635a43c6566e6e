"""`python -m cotgap.envs.bfcl`: ours against the package, and the list of tasks."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer
from rich.console import Console

from cotgap.envs.bfcl import parity
from cotgap.envs.bfcl.data import SPLITS, write_items
from cotgap.envs.bfcl.suite import SUITE
from cotgap.envs.cli import run
from cotgap.envs.core import SuiteUnavailableError

app = typer.Typer(help="BFCL for CoTGap.", add_completion=False)
console = Console(highlight=False)


@app.command(epilog="Example: `python -m cotgap.envs.bfcl replay`")
def replay(
    count: Annotated[
        int | None, typer.Option(help="Tasks of each category (default: all).")
    ] = None,
) -> None:
    """Play every ground truth here and in the package: verdicts and texts must be the same."""
    _need_package()
    different = 0
    for split in SPLITS:
        found = list(parity.replay(SUITE.panels[split], count))
        wrong = [task for task in found if task.ours != task.package or not task.same_texts]
        rejected = [task.task for task in found if not task.package]
        different += len(wrong)
        console.print(
            f"{split}: {len(found)} ground truths, {len(found) - len(wrong)} the same in verdict "
            f"and text, {len(rejected)} rejected by the package {rejected or ''}",
            soft_wrap=True,
        )
        for task in wrong:
            console.print(f"  {task}")
    raise typer.Exit(bool(different))


@app.command(epilog="Example: `python -m cotgap.envs.bfcl mutate --count 500`")
def mutate(
    count: Annotated[int, typer.Option(help="Sequences of each category.")] = 100,
    seed: Annotated[int, typer.Option(help="Draws the mutations.")] = 0,
) -> None:
    """Compare verdicts with the package's own on mutated ground truths."""
    _need_package()
    different = 0
    for split in SPLITS:
        found = list(parity.compare(SUITE.panels[split], count, seed))
        wrong = [pair for pair in found if pair.ours != pair.package]
        accepted = Counter(pair.mutation for pair in found if pair.package)
        different += len(wrong)
        console.print(f"{split}: {len(found) - len(wrong)} of {len(found)} verdicts the same")
        kinds = ", ".join(f"{number} {kind}" for kind, number in accepted.items())
        console.print(f"  accepted: {kinds}", soft_wrap=True)
        for pair in wrong:
            console.print(f"  {pair}")
    raise typer.Exit(bool(different))


@app.command(name="list")
def list_items() -> None:
    """Write the list of tasks (for a new version of the package: panels and locks change)."""
    console.print(f"{write_items()} tasks")


def _need_package() -> None:
    now = SUITE.availability()
    if not now.usable:
        raise SuiteUnavailableError(SUITE.name, now.reason, now.fix)


if __name__ == "__main__":
    run(app)

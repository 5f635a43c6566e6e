"""`cotgap submit`: pack runs of one agent, and say what is in the file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from cotgap.envs.core import CoTGapError
from cotgap.leaderboards.cards import TEXTS, card_of, make_entrant
from cotgap.leaderboards.commands.showing import say, success_cells
from cotgap.leaderboards.entries import FILE
from cotgap.leaderboards.hardware import machine
from cotgap.leaderboards.options import SubmitOptions
from cotgap.leaderboards.pack import load_runs, write_submission
from cotgap.leaderboards.rules import breaches, unusual
from cotgap.leaderboards.schema import Entrant, Submission, SubmittedRun
from cotgap.leaderboards.settings import setting_of
from cotgap.leaderboards.verify import recomputed

OF = "of"
PACKED_ON = "the machine that packed it"


def execute(options: SubmitOptions) -> None:
    """Pack, write, and print a summary."""
    console = Console()
    loaded = load_runs(options.runs, {OF: PACKED_ON, **machine()})
    agent = loaded[0].config.agent
    content = card_of(options.card, agent["fingerprint"])
    given = {name: getattr(options, name) for name in TEXTS}
    entrant, left_out = make_entrant(content, given, str(agent["name"]))
    path = options.out or Path(f"{slug_of(entrant.name)}{FILE}")
    submission = Submission(entrant, loaded)
    if broken := "\n  ".join(breaches(submission)):
        raise CoTGapError(f"no board takes this:\n  {broken}")
    write_submission(path, submission)
    _print_entrant(entrant, agent, console)
    for run in loaded:
        console.print(_table(run))
    if any(len(plan.tasks) < plan.size for run in loaded for plan in run.config.panels):
        say(console, "Part of a panel is compared with the same part only: other entries' tables.")
    for setting in {setting_of(run, plan) for run in loaded for plan in run.config.panels}:
        if reason := unusual(setting):
            say(console, f"{setting.panel}: {reason}: shown apart, without ranks", "yellow")
    if not entrant.owner:
        say(console, "Without --owner, a pull request with this file is refused.", "yellow")
    if left_out:
        say(console, f"left out of the card: {', '.join(left_out)}")
    if entrant.card is None:
        say(
            console,
            "Without trained_on in a --card, boards cannot tell in-domain panels from OOD ones.",
            "yellow",
        )
    _print_next(path, console)


def slug_of(name: str) -> str:
    """A file name for an entrant."""
    return re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")[:64].strip("-") or "submission"


def _print_entrant(entrant: Entrant, agent: Mapping[str, object], console: Console) -> None:
    by = f" by {entrant.organisation}" if entrant.organisation else ""
    say(console, f"{entrant.name}{by}", "bold")
    facts = [f"agent {agent['name']}", str(agent["backend"])]
    facts += [str(agent[name]) for name in ("dtype", "device") if agent.get(name)]
    say(console, f"{', '.join(facts)}, fingerprint {str(agent['fingerprint'])[:12]}")


def _table(run: SubmittedRun) -> Table:
    config = run.config
    decoding = (
        f"temperature {config.sampling.temperature:g}" if config.sampling.temperature else "greedy"
    )
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        title=f"run {run.digest[:8]}: {config.protocol}, {decoding}, repeats {config.repeats}",
        title_justify="left",
    )
    for name in ("panel", "tasks", "mode", "success", "95 % CI", "n"):
        table.add_column(name, justify="left" if name in ("panel", "mode") else "right")
    sizes = {plan.name: f"{len(plan.tasks)} of {plan.size}" for plan in run.config.panels}
    for summary in recomputed(run):
        for mode, rate in summary.metrics.get("success", {}).items():
            table.add_row(summary.panel, sizes[summary.panel], mode, *success_cells(rate))
    return table


def _print_next(path: Path, console: Console) -> None:
    say(console, f"{path}: {path.stat().st_size / 1e6:.2f} MB", "bold")
    say(console, "It holds every text that the agent read and wrote. Next:")
    say(console, f"  cotgap verify {path}", "none")
    say(
        console,
        "  copy it to leaderboards/entries/ (its name becomes the entry's address) and open a pull "
        "request",
        "none",
    )

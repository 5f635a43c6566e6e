"""`cotgap verify`: replay a submission file, print what was found, write a receipt."""

from __future__ import annotations

import secrets

from rich import box
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from cotgap.envs.core import CoTGapError
from cotgap.leaderboards.commands.showing import say, success_cells
from cotgap.leaderboards.entries import make_receipt, receipt_path, write_receipt
from cotgap.leaderboards.findings import Findings
from cotgap.leaderboards.options import ReplayOptions, VerifyOptions
from cotgap.leaderboards.read import read_submission
from cotgap.leaderboards.redecode import Redecoded, redecode
from cotgap.leaderboards.schema import LEAST, Submission, Tier
from cotgap.leaderboards.verify import unplayable_panels, verify

VERIFIED, FOUND, UNREADABLE, NOT_REPLAYED = 0, 1, 2, 3  # exit codes


def execute(options: VerifyOptions) -> int:
    """Verify and print; returns the exit code."""
    if (options.redecode is None) != (options.agent is None):
        raise CoTGapError("--redecode N and --agent CHECKPOINT go together: give both or neither")
    console, file = Console(), options.file
    if options.receipt:
        receipt_path(file)  # or all would be for nothing
    submission = read_submission(file)
    findings = replayed(submission, options.replay)
    print_findings(str(file), submission, findings, console)
    again = None
    if options.redecode is not None and options.agent is not None and findings.verified:
        again = _redecoded(submission, options.agent, options.redecode, options)
        _print_redecoded(again, console)
    code = exit_code(findings)
    if again is not None and not again.passed:
        code = FOUND
    if code == VERIFIED:
        tier, reason = tier_of(again)
        say(console, f"verified: {tier}{reason}", "bold green")
        if options.receipt:
            outcome = {}
            if again is not None and tier == "re-decoded":
                outcome = {"redecoded": again.n, "agreed": again.agreed}
                outcome |= {"seed": again.seed, "flips": again.flips}
            written = write_receipt(file, make_receipt(file, tier, **outcome))
            say(console, f"receipt: {written}")
    elif options.receipt:
        say(console, "no receipt: it was not verified", "yellow")
    return code


def replayed(submission: Submission, options: ReplayOptions) -> Findings:
    """Verify with a bar on the terminal."""
    columns = (TextColumn("replaying"), MofNCompleteColumn(), TextColumn("episodes"))
    watch = Console(stderr=True)
    with Progress(
        *columns, TimeElapsedColumn(), console=watch, disable=options.quiet or not watch.is_terminal
    ) as bar:
        task = bar.add_task("", total=None)
        return verify(
            submission,
            workers=options.workers,
            on_start=lambda total: bar.update(task, total=total),
            on_episodes=lambda count: bar.advance(task, count),
        )


def exit_code(findings: Findings) -> int:
    """What a verification's outcome is to a shell."""
    if findings.counts:
        return FOUND
    return NOT_REPLAYED if findings.unplayable else VERIFIED


def tier_of(again: Redecoded | None) -> tuple[Tier, str]:
    """What a file has earned that was replayed without a finding, and why it is no more."""
    if again is None or not again.passed:
        return "replayed", ""
    if again.n < LEAST:
        return "replayed", f" ({again.n} steps decoded again; {LEAST} are needed for re-decoded)"
    return "re-decoded", ""


def print_findings(
    title: str, submission: Submission, findings: Findings, console: Console
) -> None:
    """What was replayed, the recomputed results, and each disagreement."""
    say(console, f"{title}: {submission.entrant.name}", "bold")
    for summaries in findings.summaries:
        for summary in summaries:
            rates = ", ".join(
                "{} {} ({}, n {})".format(mode, *success_cells(rate))
                for mode, rate in summary.metrics.get("success", {}).items()
            )
            say(console, f"  {summary.panel} · {summary.protocol} · success {rates}")
    say(
        console,
        f"replayed {findings.episodes:,} episodes, {findings.steps:,} steps in "
        f"{findings.seconds:.1f} s",
    )
    for line in unplayable_panels(findings):
        say(console, f"not replayed: {line}", "yellow")
    if not findings.counts:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("what", "where", "said", "found"):
        table.add_column(name, overflow="fold")
    for problem in findings.problems:
        table.add_row(*map(Text, (problem.kind, problem.where, problem.said, problem.found)))
    console.print(table)
    counts = ", ".join(f"{kind} {n}" for kind, n in sorted(findings.counts.items()))
    say(console, f"not verified: {sum(findings.counts.values())} findings ({counts})", "bold red")


def _redecoded(submission: Submission, agent: str, n: int, options: VerifyOptions) -> Redecoded:
    """Without --seed it is drawn: who knew it could be honest at the drawn steps alone."""
    watch, quiet = Console(stderr=True), options.replay.quiet
    with Progress(
        TextColumn("decoding again"),
        MofNCompleteColumn(),
        console=watch,
        disable=quiet or not watch.is_terminal,
    ) as bar:
        task = bar.add_task("", total=n)
        return redecode(
            submission,
            agent,
            n,
            secrets.randbits(63) if options.seed is None else options.seed,
            options=options.loading.keywords(),
            on_step=lambda: bar.advance(task),
        )


def _print_redecoded(again: Redecoded, console: Console) -> None:
    style = "none" if again.passed else "bold red"
    say(
        console,
        f"decoded again: {again.agreed} of {again.n} replies agree; the rule: {again.rule}; "
        f"drawn by --seed {again.seed}",
        style,
    )
    say(console, f"power: {again.power}")
    for finding in again.differences:
        say(console, f"  {finding.where}: said {finding.said}, now {finding.found}")

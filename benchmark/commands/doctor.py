"""`cotgap doctor`: what is installed, what is missing, what would make numbers incomparable."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console

from cotgap.benchmark.options import DoctorOptions
from cotgap.benchmark.records.store import versions
from cotgap.envs.audits import stale
from cotgap.envs.core import Finding
from cotgap.envs.locks import changed
from cotgap.envs.registry import suites

MARKS = {"ok": "[green]✓[/]", "note": "[yellow]•[/]", "problem": "[red]✗[/]"}


def execute(options: DoctorOptions) -> int:
    """Print all findings; the exit code says whether one is a problem."""
    console = Console()
    healthy = True
    sections = [("versions", _versions()), ("panels", _locks())]
    sections += [(f"suite {suite.name}", suite.diagnose()) for suite in suites().values()]
    for title, findings in sections:
        console.print(f"[bold]{title}[/]")
        for finding in findings:
            healthy &= finding.level != "problem"
            console.print(f"  {MARKS[finding.level]}", end=" ")
            console.print(finding.text, markup=False, highlight=False, soft_wrap=True)
            if finding.fix:
                console.print(
                    f"    fix: {finding.fix}", markup=False, highlight=False, soft_wrap=True
                )
    return 0 if healthy else 1


def _versions() -> Iterator[Finding]:
    yield Finding("ok", ", ".join(f"{name} {version}" for name, version in versions().items()))


def _locks() -> Iterator[Finding]:
    different = changed()
    for panel in different:
        yield Finding(
            "problem",
            f"{panel.name}: lock {panel.lock[:12]} is not the published one; "
            "numbers on it compare with nobody else's",
            "use an unmodified release, or publish new locks with `python -m cotgap.envs.locks`",
        )
    if not different:
        yield Finding("ok", "every panel has its published lock")
    unaudited = stale([p for suite in suites().values() for p in suite.panels.values()])
    if unaudited:
        names = ", ".join(panel.name for panel in unaudited[:3])
        more = f" and {len(unaudited) - 3} more" if len(unaudited) > 3 else ""
        yield Finding(
            "note",
            f"no floor and ceiling under the current lock: {names}{more}",
            "cotgap audit",
        )

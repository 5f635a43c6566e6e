"""`cotgap doctor`: what is installed, what is missing, what would make numbers incomparable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console

from cotgap.agents.backends import BACKENDS
from cotgap.agents.modes import MODES
from cotgap.benchmark.commands.leftovers import TOP_LEVEL, leftovers
from cotgap.benchmark.metrics.core import METRICS
from cotgap.benchmark.options import DoctorOptions
from cotgap.benchmark.probes.core import PROBES
from cotgap.benchmark.records.store import versions
from cotgap.benchmark.report.sections.core import SECTIONS
from cotgap.benchmark.rollout.engines import ENGINES
from cotgap.envs.audits import stale
from cotgap.envs.core import Finding
from cotgap.envs.locks import changed
from cotgap.envs.plugins import KINDS, Broken, Extensions, declared, group_of
from cotgap.envs.registry import SUITES, suites

MARKS = {"ok": "[green]✓[/]", "note": "[yellow]•[/]", "problem": "[red]✗[/]"}
EXTENSIONS: tuple[Extensions[Any], ...] = (
    SUITES,
    BACKENDS,
    MODES,
    METRICS,
    PROBES,
    ENGINES,
    SECTIONS,
)


def execute(options: DoctorOptions) -> int:
    """Print all findings; the exit code says whether one is a problem."""
    console = Console()
    healthy = True
    sections = [("versions", _versions()), ("extensions", _extensions()), ("panels", _locks())]
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
    for path in leftovers():
        yield Finding(
            "problem",
            f"{path} is left of an older install: {', '.join(TOP_LEVEL)} are importable by "
            "themselves, and hide other people's packages of these names",
            f"pip uninstall cotgap; delete {path} if it is still there; then install again",
        )


def _extensions() -> Iterator[Finding]:
    """What other distributions add, and what of it cannot be used."""
    if not declared():
        yield Finding("ok", "no other distribution adds any")
    for extensions in EXTENSIONS:
        broken = extensions.broken()
        bad = {(one.name, one.distribution) for one in broken}
        for name, distribution in extensions.distributions().items():
            if (name, distribution) not in bad:
                yield Finding("ok", f"{extensions.kind} {name!r} of {distribution}")
        for one in broken:
            yield _problem(one)
    checked = {extensions.kind for extensions in EXTENSIONS}
    groups = {group_of(kind): kind for kind in KINDS}
    for entry in declared():
        name, group, distribution = entry.entry.name, entry.entry.group, entry.distribution
        if group not in groups:
            what = f"entry point {name!r} of {distribution} is in the group {group!r}"
            yield Finding("problem", f"{what}, which is none of {', '.join(groups)}")
        elif groups[group] not in checked:
            yield Finding("note", f"{groups[group]} {name!r} of {distribution} was not opened here")


def _problem(one: Broken) -> Finding:
    name = one.distribution.partition(" ")[0]
    return Finding("problem", str(one), f"pip install --upgrade {name}, or pip uninstall {name}")


def _locks() -> Iterator[Finding]:
    different = changed()
    for panel in different:
        yield Finding(
            "problem",
            f"{panel.name}: lock {panel.lock[:12]} is not the published one; "
            "numbers on it compare with nobody else's",
            "use an unmodified release, or publish new locks with `python -m tools.locks`",
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
            "in a clone: cotgap audit --out envs/audits.json",
        )

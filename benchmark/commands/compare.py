"""`cotgap compare`: two runs over the same tasks, and a gate on what differs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from cotgap.benchmark.compare.attempts import counted
from cotgap.benchmark.compare.comparison import Comparison, compare
from cotgap.benchmark.compare.flips import Flip
from cotgap.benchmark.compare.gate import Verdict, Wanted, check_margin
from cotgap.benchmark.compare.junit import junit
from cotgap.benchmark.compare.markdown import markdown
from cotgap.benchmark.compare.tables import print_comparison
from cotgap.benchmark.options import CompareOptions
from cotgap.envs.core import CoTGapError
from cotgap.envs.files import write_text
from cotgap.envs.text import to_json

# 2 is bad usage, for every command.
EXIT_CODES = {
    Verdict.NO_WORSE: 0,
    Verdict.WORSE: 1,
    Verdict.INCOMPLETE: 3,
    Verdict.CANNOT_TELL: 4,
}
DEFAULT_GATE = "success"

Link = Callable[[Flip], str | None]


def execute(options: CompareOptions) -> int:
    """Compare and show it; returns the exit code."""
    if options.gate and options.margin is None:
        raise CoTGapError(
            "--gate needs --margin PP: by how many percentage points may the candidate be worse?"
        )
    margin = 0.0 if options.margin is None else check_margin(options.margin)
    names = tuple(options.gate) or ((DEFAULT_GATE,) if margin else ())
    gates = [Wanted.parse(name) for name in dict.fromkeys(names)]
    if options.report:
        from cotgap.benchmark.commands.report import check_needed

        check_needed()
    if options.junit and not gates:
        raise CoTGapError("--junit writes the gates as test cases: set one with --margin PP")
    found = counted(
        compare(
            options.baseline,
            options.candidate,
            panels=tuple(dict.fromkeys(options.panel)),
            gates=gates,
            margin=margin,
        )
    )
    link = _write_report(found, options.report) if options.report else _no_link
    if options.markdown:
        write_text(options.markdown, markdown(found, link))
    if options.junit:
        write_text(options.junit, junit(found))
    if options.output.as_json:
        print(to_json(_with_links(found, link), indent=2))
    else:
        print_comparison(found, Console(), link)
    if found.verdict is not None:
        return EXIT_CODES[found.verdict]
    return 0 if found.complete else EXIT_CODES[Verdict.INCOMPLETE]


def _no_link(flip: Flip) -> str | None:
    return None


def _write_report(found: Comparison, folder: Path) -> Link:
    """Write both runs as pages; returns how a flipped task is addressed in their viewer."""
    from cotgap.benchmark.report import build
    from cotgap.benchmark.report.sections.episodes import SECTION, numbered

    report = build.read([found.a.folder, found.b.folder])
    build.write(report, folder)
    numbers = {(place, e.id): number for number, (place, e) in enumerate(numbered(report))}

    def link(flip: Flip) -> str | None:
        first, second = numbers[0, flip.first.id], numbers[1, flip.second.id]
        step = flip.divergence.step if flip.divergence else 1
        page = (folder / f"{SECTION.name}.html").as_posix()
        return f"{page}#episode={first}&compare={second}&step={step}"

    return link


def _with_links(found: Comparison, link: Link) -> dict[str, Any]:
    content = found.to_json()
    for panel, data in zip(found.panels, content["panels"], strict=True):
        for flip, row in zip(panel.flips, data["flips"], strict=True):
            row["viewer"] = link(flip)
    return content

"""A comparison as a summary for a pull request, in GitHub's Markdown.

Whatever comes from a record stands in a code span, in which nothing is markup, a mention or a link.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from cotgap.benchmark.compare.comparison import Comparison, PanelComparison
from cotgap.benchmark.compare.flips import Flip
from cotgap.benchmark.compare.gate import Verdict
from cotgap.benchmark.compare.words import COLUMNS, flip_row, headline, row, sentence, warnings
from cotgap.benchmark.report.text import clip

SHOWN_FLIPS = 30  # of a panel
MARKS = {
    Verdict.NO_WORSE: "✅",
    Verdict.WORSE: "❌",
    Verdict.CANNOT_TELL: "❔",
    Verdict.INCOMPLETE: "⚠️",
}


def markdown(found: Comparison, link: Callable[[Flip], str | None] = lambda flip: None) -> str:
    """The summary; `link` gives the address of a flipped task in the trajectory viewer."""
    return "\n".join(_lines(found, link)) + "\n"


def code(text: str) -> str:
    """Any text as a code span in a table's cell, which it cannot end or break."""
    text = re.sub(r"\s+", " ", clip(text, 200)).strip().replace("|", "\\|")
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}" if text else ""


def _lines(found: Comparison, link: Callable[[Flip], str | None]) -> Iterator[str]:
    mark = f"{MARKS[found.verdict]} " if found.verdict else ""
    yield f"### {mark}{code(found.b.name)} against {code(found.a.name)}"
    yield ""
    if found.verdict is not None:
        yield f"**{found.verdict.value}** ({_counted(headline(found))})"
        yield ""
    for warning in warnings(found):
        yield f"> **{code(warning)}**"
        yield ""
    for notice in found.notices:
        yield f"- {code(notice)}"
    if found.notices:
        yield ""
    if found.gates:
        yield from _table(
            ("panel", "gate", "verdict", "why"),
            [
                (code(g.panel), code(g.name), f"{MARKS[g.verdict]} {g.verdict.value}", sentence(g))
                for g in found.gates
            ],
        )
    for panel in found.panels:
        yield from _panel(panel, link)


def _counted(text: str) -> str:
    """A headline names panels, which a record may have named."""
    return code(text.partition(": ")[2])


def _panel(panel: PanelComparison, link: Callable[[Flip], str | None]) -> Iterator[str]:
    shared = panel.pairs.panel
    yield f"#### {code(shared.name)}"
    yield ""
    yield f"{len(shared.tasks)} tasks, {shared.step_limit} steps, lock {code(shared.lock[:8])}"
    yield ""
    yield from _table(COLUMNS, [tuple(map(_plain, row(found))) for found in panel.differences])
    if not panel.flips:
        return
    yield f"<details><summary>{len(panel.flips)} flipped tasks</summary>"
    yield ""
    rows = []
    for flip in panel.flips[:SHOWN_FLIPS]:
        cells = [code(cell) for cell in flip_row(flip)]
        if (address := link(flip)) is not None:
            cells.append(f"[steps]({address})")
        rows.append(tuple(cells))
    columns = ("task", "change", "first divergence", "viewer")
    yield from _table(columns[: len(rows[0])], rows)
    if len(panel.flips) > SHOWN_FLIPS:
        yield f"and {len(panel.flips) - SHOWN_FLIPS} more"
        yield ""
    yield "</details>"
    yield ""


def _plain(text: str) -> str:
    """A cell of our own making: signs and figures, and a mode's name."""
    return code(text) if re.search(r"[^\w\s.,+−\-…%<=?]", text) else text.replace("<", "&lt;")


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for cells in rows:
        yield f"| {' | '.join(cells)} |"
    yield ""

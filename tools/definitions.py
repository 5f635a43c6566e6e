"""Prints what every number means, from the docstrings.

`docs/definitions.md` is the output of this command, and a test holds them equal.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import typer

from cotgap.benchmark.metrics.core import NEEDS, metrics
from cotgap.benchmark.probes.core import probes
from cotgap.benchmark.stats import intervals
from tools.cli import run

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: `python -m tools.definitions > docs/definitions.md`")
def main() -> None:
    """Print what every metric, probe and statistic means, from the docstrings, as Markdown."""
    print(markdown(), end="")


def markdown() -> str:
    """The whole document."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Definitions"
    yield ""
    yield "Made from the docstrings by `python -m tools.definitions`."
    yield ""
    yield "## Metrics"
    yield ""
    for metric in metrics().values():
        needs = "".join(f" Needs {NEEDS[need]}." for need in metric.needs)
        yield f"- **{metric.title}** (`{metric.name}`, {metric.unit}). {metric.doc}{needs}"
    yield ""
    yield "## Probes"
    yield ""
    for name, probe in probes().items():
        yield f"- **{name}**. {' '.join(probe.doc.split())}"
    yield ""
    yield "## Statistics"
    yield ""
    yield inspect.getdoc(intervals) or ""
    for name, function in inspect.getmembers(intervals, inspect.isfunction):
        if function.__module__ == intervals.__name__ and not name.startswith("_"):
            yield ""
            yield f"### `{name}`"
            yield ""
            yield inspect.getdoc(function) or ""


if __name__ == "__main__":
    run(app)

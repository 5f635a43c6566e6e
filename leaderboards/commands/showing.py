"""What the commands' outputs share."""

from __future__ import annotations

from rich.console import Console

from cotgap.benchmark.report.terminal import show
from cotgap.benchmark.stats.intervals import Estimate


def say(console: Console, text: str, style: str = "dim") -> None:
    """A line as it is: nothing in it is markup, and it is not wrapped."""
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def success_cells(rate: Estimate) -> tuple[str, str, str]:
    """A success rate, its 95 % interval, and n."""
    low, high = (
        "?" if bound is None else show(bound, "rate", bare=True) for bound in (rate.low, rate.high)
    )
    return show(rate.value, "rate"), f"{low}…{high}", str(rate.n)

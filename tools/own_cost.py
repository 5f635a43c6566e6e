"""What playing costs besides the model: µs of our own a step, and what each command takes.

An agent that answers at once plays long episodes, so that what passes between two of its answers is
ours: the environment, the prompt, scheduling, parsing and the record. The commands are run on a
run of so many toy episodes, each in a process of its own.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from transformers import AutoTokenizer

from cotgap.agents.agent import Agent
from cotgap.agents.checkpoints import bundled_path
from cotgap.agents.core import Completion, Request, Sampling
from cotgap.agents.modes import get_mode, parse_modes
from cotgap.agents.rendering import Renderer
from cotgap.benchmark.records.config import Limits, RunConfig, plan_panel
from cotgap.benchmark.rollout.engines.local import LocalSite
from cotgap.benchmark.rollout.runner import Progress, run
from cotgap.envs.core import CoTGapError
from cotgap.envs.registry import get_panel
from tools.cli import run as run_command

app = typer.Typer(add_completion=False)
STEPS = (10, 50, 400)
AROUND = 5  # steps before and after each of them that are averaged
EPISODES = 6
PANELS = ("toy/id", "household/id")


class Instant:
    """A backend that answers at once and notes when it was asked (by step) and when it answered."""

    name, fingerprint, batch_size = "instant", "0" * 64, 1
    reads_environment = False

    def __init__(self, renderer: Renderer | None) -> None:
        self.renderer = renderer
        self.times: list[tuple[int, float, float]] = []

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Looks around, whatever is asked."""
        begun = perf_counter()
        found = []
        for request in requests:
            reply = get_mode(request.mode).write("look", "Where am I?", request.tags)
            found.append(Completion(reply.removeprefix(request.prefill), "stop"))
        self.times.append((requests[0].step, begun, perf_counter()))
        return found

    def describe(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def close(self) -> None:
        """Nothing is held."""

    def between(self, step: int) -> float:
        """Median µs from an answer at about that step to the next question."""
        gaps = [
            after - answered
            for (here, _, answered), (there, after, _) in zip(
                self.times, self.times[1:], strict=False
            )
            if there == here + 1 and abs(here - step) <= AROUND
        ]
        return 1e6 * statistics.median(gaps)


def steps(panel: str, mode: str, *, tokens: bool) -> list[float]:
    """µs of our own at each of `STEPS`, then of the processor over all steps, records included."""
    checkpoint = bundled_path("tiny")
    tokenizer = AutoTokenizer.from_pretrained(checkpoint) if tokens else None
    backend = Instant(None if tokenizer is None else Renderer(tokenizer, context=10**6))
    site = LocalSite(Agent("instant", "instant", backend))
    config = RunConfig(
        agent=site.card.description,
        protocol=str(site.card.protocol),
        modes=parse_modes(mode),
        shadow="auto",
        panels=(plan_panel(get_panel(panel), EPISODES, max(STEPS) + 2 * AROUND),),
        repeats=1,
        sampling=Sampling(),
        limits=Limits(),
        seed=0,
    )
    silent = Progress(lambda *_: None, lambda: None, lambda episode: None)
    with tempfile.TemporaryDirectory() as folder:
        begun = process_time()
        run(site, config, Path(folder), silent, width=1)
        seconds = process_time() - begun
    return [*map(backend.between, STEPS), 1e6 * seconds / len(backend.times)]


def commands(episodes: int, folder: Path) -> Iterator[tuple[str, float, float]]:
    """(command, seconds of processor time, peak memory in MB) over so many toy episodes."""
    first, second, entry = folder / "a", folder / "b", folder / "entry.zip"
    play = [*PLAY, "--repeats", str(-(-episodes // 100))]
    yield "run", *_took(*play, "--out", first)
    _took(*play, "--seed", 1, "--out", second)
    yield "resume", *_took(*play, "--out", first)
    yield "report", *_took("report", first, "--out", folder / "report")
    yield "compare", *_took("compare", first, second)
    yield "submit", *_took("submit", first, "--out", entry)
    yield "verify", *_took("verify", entry, "--workers", 1, "--quiet")


PLAY = ("run", "--agent", "noisy", "--panel", "toy/id", "--mode", "both", "--quiet")


# A small process waits: the peak of one that is forked counts the memory of its parent.
WAIT = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
sys.exit(code)
"""


def _took(*arguments: object) -> tuple[float, float]:
    command = [sys.executable, "-m", "cotgap", *map(str, arguments)]
    done = subprocess.run([sys.executable, "-c", WAIT, *command], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise CoTGapError(f"{' '.join(command)} exits with {done.returncode}")
    seconds, memory = map(float, done.stdout.split())
    return seconds, memory


@app.command(epilog="Example: `python -m tools.own_cost --episodes 1000 --episodes 10000`")
def main(
    panel: Annotated[
        list[str] | None,
        typer.Option(
            help="Whose episodes are played; repeat for several.",
            show_default=", ".join(PANELS),
        ),
    ] = None,
    episodes: Annotated[
        list[int] | None,
        typer.Option(help="Also measure commands on so many episodes; repeat for several."),
    ] = None,
) -> None:
    """Print µs of our own a step, and what each command takes."""
    console = Console()
    table = Table(
        "panel", "prompt is", "mode", *(f"step {n}" for n in STEPS), "all, kept", box=None
    )
    for name in panel or PANELS:
        for tokens in (False, True):
            for mode in ("prompt", "both"):
                found = [f"{cost:.0f} µs" for cost in steps(name, mode, tokens=tokens)]
                table.add_row(name, "tokens" if tokens else "text", mode, *found)
    console.print(table)
    for number in episodes or ():
        table = Table("episodes", "command", "processor", "an episode", "memory", box=None)
        with tempfile.TemporaryDirectory() as folder:
            for command, seconds, memory in commands(number, Path(folder)):
                each = f"{1000 * seconds / number:.2f} ms"
                table.add_row(f"{number:,}", command, f"{seconds:.1f} s", each, f"{memory:,.0f} MB")
        console.print(table)


if __name__ == "__main__":
    run_command(app)

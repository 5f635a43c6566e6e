"""Does masking the action tokens' loss raise success out of domain? Trains, plays and compares.

`python -m tools.studies.masking --out runs/masking` trains checkpoints with and without the mask
from one base, a pair for each seed, plays all of them in both modes on the panel they were trained
for and on every out-of-domain axis, and prints the tables (also `masking.csv`). The same command
resumes: a checkpoint or run that is in `--out` already is not made again. The intervention is
that of arXiv 2606.26935.

Each number has two intervals, because they answer different questions. *Tasks*: these checkpoints
on other tasks of the panel (seeds count as repeats of a task). *Seeds*: other training runs on
these tasks (Student's t over one number per seed). Only the interval over seeds says something of
the intervention itself; with few seeds it is wide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from cotgap.agents.checkpoints import bundled_path
from cotgap.agents.core import Sampling
from cotgap.agents.options import TrainOptions
from cotgap.agents.training.train import train_series
from cotgap.benchmark.metrics.core import (
    COT,
    PAIR,
    PROMPT,
    Metric,
    Part,
    Unit,
    get_metric,
    part_name,
)
from cotgap.benchmark.records.config import Limits, PanelPlan, RunConfig, plan_panel
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.records.store import read_episodes
from cotgap.benchmark.report.progress import LiveProgress
from cotgap.benchmark.report.terminal import interval, show
from cotgap.benchmark.rollout.engines import open_site
from cotgap.benchmark.rollout.engines.core import AgentRecipe, Placement
from cotgap.benchmark.rollout.runner import Progress, run
from cotgap.benchmark.stats import intervals
from cotgap.envs.core import CoTGapError
from cotgap.envs.registry import get_panel
from tools.cli import run as run_tool

app = typer.Typer(add_completion=False)
PANELS = tuple(
    f"household/{split}"
    for split in (
        "id",
        "ood_layout",
        "ood_object",
        "ood_task",
        "ood_wording",
        "ood_horizon",
    )
)
# (metric, its modes): what is reported.
REPORTED: tuple[tuple[str, Part], ...] = (
    ("success", (PROMPT,)),
    ("success", (COT,)),
    ("cot_gap", PAIR),
    ("revision", PAIR),
)
ARMS = ("plain", "masked", "difference")
COLUMNS = ("panel", "metric", "mode", "arm", "interval", "value", "low", "high", "n")


@dataclass(frozen=True, order=True)
class Cell:
    """One training run: the share of examples with masked actions, and the seed."""

    k: float
    seed: int

    def __str__(self) -> str:
        return f"k{self.k:g}-seed{self.seed}"


@dataclass(frozen=True)
class Study:
    """What is trained and played. `steps` None is the preset's own number of updates."""

    out: Path
    base: Path
    fraction: float
    seeds: int
    preset: str
    panels: tuple[PanelPlan, ...]
    steps: int | None = None

    @property
    def cells(self) -> list[Cell]:
        """Both arms of each seed in turn, so that a stopped study has whole pairs."""
        return [Cell(k, seed) for seed in range(self.seeds) for k in (0.0, self.fraction)]


def train_cell(study: Study, cell: Cell) -> Path:
    """The last checkpoint of a training run, made unless it is there."""
    options = TrainOptions(
        preset=study.preset,
        out=study.out / str(cell),
        init=study.base,
        action_mask_fraction=cell.k,
        steps=study.steps,
        seed=cell.seed,
    )
    return train_series(options)


def play_cell(study: Study, cell: Cell, checkpoint: Path, watch: Console) -> list[Episode]:
    """A checkpoint's episodes on all panels in both modes, played unless they are there.

    Raises `CoTGapError` where the run is not complete afterwards.
    """
    folder = study.out / "runs" / str(cell)
    site = open_site("local", AgentRecipe(str(checkpoint)), Placement())
    try:
        config = RunConfig(
            agent=site.card.description,
            protocol=str(site.card.protocol),
            modes=(PROMPT, COT),
            shadow="auto",
            panels=study.panels,
            repeats=1,
            sampling=Sampling(),
            limits=Limits(),
            seed=0,
        )
        with LiveProgress(watch) as live:
            result = run(
                site, config, folder, Progress(live.on_start, live.on_step, live.on_episode)
            )
    finally:
        site.close()
    if result.interrupted:
        raise KeyboardInterrupt
    if not result.complete:
        raise CoTGapError(
            f"{folder} is incomplete ({len(result.errors)} episodes ended in an error; its "
            "summary.json says which). Run the same command again to go on"
        )
    return read_episodes(folder)


@dataclass(frozen=True)
class Comparison:
    """A number without and with the mask, and the difference (with − without).

    `over_tasks` are estimates whose intervals are over tasks (None: not defined),
    `over_seeds` such over seeds, in the order without, with, difference.
    """

    panel: str
    metric: str
    mode: str
    over_tasks: tuple[intervals.Estimate | None, ...]
    over_seeds: tuple[intervals.Estimate | None, ...]


def compare(played: Mapping[Cell, Sequence[Episode]]) -> list[Comparison]:
    """All reported numbers on all panels. `played` holds whole pairs of cells."""
    panels = dict.fromkeys(e.task_key.panel for episodes in played.values() for e in episodes)
    return [
        _compare(panel, get_metric(name), part, {cell: _on(panel, e) for cell, e in played.items()})
        for panel in panels
        for name, part in REPORTED
    ]


def _on(panel: str, episodes: Sequence[Episode]) -> list[Episode]:
    return [episode for episode in episodes if episode.task_key.panel == panel]


def _compare(
    panel: str, metric: Metric, part: Part, played: Mapping[Cell, Sequence[Episode]]
) -> Comparison:
    plain, masked = (_arm(played, k) for k in sorted({cell.k for cell in played}))
    pooled = [metric.estimate(_pooled(arm), part) for arm in (plain, masked)]
    seeds = [
        [one.value for episodes in arm.values() if (one := metric.estimate(episodes, part))]
        for arm in (plain, masked)
    ]
    paired = len(seeds[0]) == len(seeds[1])
    gains = [after - before for before, after in zip(*seeds, strict=True)] if paired else []
    return Comparison(
        panel,
        metric.name,
        part_name(part),
        (*pooled, _difference(metric, part, plain, masked)),
        tuple(_over_seeds(values) for values in (*seeds, gains)),
    )


def _arm(played: Mapping[Cell, Sequence[Episode]], k: float) -> dict[int, Sequence[Episode]]:
    return {cell.seed: played[cell] for cell in sorted(played) if cell.k == k}


def _pooled(arm: Mapping[int, Sequence[Episode]]) -> list[Episode]:
    """The seeds' episodes as repeats of their tasks."""
    return [replace(e, repeat=seed) for seed, episodes in arm.items() for e in episodes]


def _difference(
    metric: Metric,
    part: Part,
    plain: Mapping[int, Sequence[Episode]],
    masked: Mapping[int, Sequence[Episode]],
) -> intervals.Estimate | None:
    """Paired by task."""
    before, after = (metric.counts(_pooled(arm), part) for arm in (plain, masked))
    return metric.difference(*metric.shared(before, after))


def _over_seeds(values: Sequence[float]) -> intervals.Estimate | None:
    return intervals.mean(values, [1] * len(values), "seeds") if values else None


def tidy(compared: Sequence[Comparison]) -> pd.DataFrame:
    """One row for each number: `arm` is plain, masked or difference; bounds may be missing."""
    rows: list[dict[str, object]] = []
    for one in compared:
        for arm, tasks, seeds in zip(ARMS, one.over_tasks, one.over_seeds, strict=True):
            for over, estimate in (("tasks", tasks), ("seeds", seeds)):
                if estimate is not None:
                    bounds = (estimate.value, estimate.low, estimate.high, estimate.n)
                    values = (one.panel, one.metric, one.mode, arm, over, *bounds)
                    rows.append(dict(zip(COLUMNS, values, strict=True)))
    frame: pd.DataFrame = pd.DataFrame(rows)
    return frame


def print_table(study: Study, compared: Sequence[Comparison], console: Console) -> None:
    """A row for each number, panel by panel."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("", no_wrap=True)
    table.add_column("", no_wrap=True)
    for title in ("", "over tasks", "over seeds"):
        table.add_column(title, justify="right", no_wrap=True, style=None if title else "bold")
    for panel in dict.fromkeys(one.panel for one in compared):
        table.add_row(panel, style="bold")
        for one in (one for one in compared if one.panel == panel):
            _add_rows(table, one, study.fraction)
        table.add_section()
    console.print(table)
    sizes = ", ".join(f"{plan.name} {len(plan.tasks)}" for plan in study.panels)
    console.print(
        f"{study.seeds} seeds; tasks: {sizes}. Intervals of 95 %, over tasks and over seeds.",
        style="dim",
        highlight=False,
    )


def _add_rows(table: Table, one: Comparison, fraction: float) -> None:
    """A row for each arm and one for the difference."""
    unit = get_metric(one.metric).unit
    name = one.metric.replace("_", " ") + ("" if one.mode == part_name(PAIR) else f", {one.mode}")
    labels = ("k = 0", f"k = {fraction:g}", "difference")
    for label, tasks, seeds in zip(labels, one.over_tasks, one.over_seeds, strict=True):
        shown: Unit = "points" if label == "difference" else unit
        value = tasks or seeds
        text = "–" if value is None else show(value.value, shown)
        table.add_row(name, label, text, interval(tasks, shown), interval(seeds, shown))
        name = ""


EXAMPLES = """Examples:

    python -m tools.studies.masking --out runs/masking

    python -m tools.studies.masking --out runs/quick --seeds 2 --steps 50 --episodes 20
    --panel household/id --panel household/ood_task

The same command goes on where it was stopped."""


@app.command(epilog=EXAMPLES)
def main(
    out: Annotated[Path, typer.Option(help="Folder for checkpoints, runs and tables.")],
    init: Annotated[
        Path | None,
        typer.Option(help="Checkpoint to start from.", show_default="the bundled tiny-base"),
    ] = None,
    preset: Annotated[str, typer.Option(help="As of `cotgap train`.")] = "tiny",
    fraction: Annotated[float, typer.Option(help="Share k of masked examples.")] = 0.3,
    seeds: Annotated[int, typer.Option(help="Pairs of training runs.", min=2)] = 3,
    panel: Annotated[
        list[str] | None,
        typer.Option(
            help="SUITE/SPLIT; repeat for several.", show_default="household/id and its OOD axes"
        ),
    ] = None,
    episodes: Annotated[int | None, typer.Option(help="Only the first N tasks of each.")] = None,
    steps: Annotated[int | None, typer.Option(help="Updates.", show_default="the preset's")] = None,
) -> None:
    """Train with and without the action mask, play both, compare. Resumable."""
    plans = tuple(plan_panel(get_panel(name), episodes, None) for name in panel or PANELS)
    study = Study(out, init or bundled_path("tiny-base"), fraction, seeds, preset, plans, steps)
    console, watch = Console(), Console(stderr=True)
    played = {}
    for number, cell in enumerate(study.cells, 1):
        watch.print(f"{number} of {len(study.cells)}: {cell}", style="bold", highlight=False)
        played[cell] = play_cell(study, cell, train_cell(study, cell), watch)
    compared = compare(played)
    tidy(compared).to_csv(out / "masking.csv", index=False)
    print_table(study, compared, console)


if __name__ == "__main__":
    run_tool(app)

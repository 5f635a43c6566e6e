"""Rewrites ScienceWorld's list of tasks."""

from __future__ import annotations

import json

import typer

from cotgap.envs.core import CoTGapError
from cotgap.envs.scienceworld.java import give_back, jar_path, pool
from cotgap.envs.scienceworld.suite import SPLITS, SUITE, TASKS
from tools.cli import need, run

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: `python -m tools.scienceworld`")
def main() -> None:
    """Write `tasks.tsv` from the installed package.

    A line is a task's id in the paper, its name, and the numbers of variations in its official
    train, dev and test splits. The splits are consecutive: train begins at 0, dev where train ends.
    """
    need(SUITE)
    names = json.loads(jar_path().with_name("tasks.json").read_text(encoding="utf-8"))
    simulator = pool().take()
    lines = []
    for entry in names:
        simulator.load(entry["task_name"], 0, "")
        splits = [simulator.variations(split) for split in SPLITS]
        if tuple(sum(splits, ())) != tuple(range(sum(map(len, splits)))):
            raise CoTGapError(f"{entry['task_name']}: its splits are not consecutive")
        lines.append(
            "\t".join([entry["task_id"], entry["task_name"], *(str(len(s)) for s in splits)])
        )
    give_back(simulator)
    TASKS.write_text("\n".join(lines) + "\n", encoding="ascii")
    print(f"{TASKS.name}: {len(lines)} tasks")


if __name__ == "__main__":
    run(app)

"""`python -m cotgap.envs.scienceworld`: rewrite `tasks.tsv` from the installed package.

One task a line: its id in the paper, its name, and how many variations its official train, dev
and test splits have. The splits are consecutive: train begins at 0, dev where train ends.
"""

from __future__ import annotations

import argparse
import json

from cotgap.envs.scienceworld.java import give_back, jar_path, pool
from cotgap.envs.scienceworld.suite import SPLITS, TASKS


def main() -> None:
    """Ask the simulator for every task's splits."""
    argparse.ArgumentParser("python -m cotgap.envs.scienceworld", description=__doc__).parse_args()
    names = json.loads(jar_path().with_name("tasks.json").read_text(encoding="utf-8"))
    simulator = pool().take()
    lines = []
    for entry in names:
        simulator.load(entry["task_name"], 0, "")
        splits = [simulator.variations(split) for split in SPLITS]
        if tuple(sum(splits, ())) != tuple(range(sum(map(len, splits)))):
            raise ValueError(f"{entry['task_name']}: its splits are not consecutive")
        lines.append(
            "\t".join([entry["task_id"], entry["task_name"], *(str(len(s)) for s in splits)])
        )
    give_back(simulator)
    TASKS.write_text("\n".join(lines) + "\n", encoding="ascii")
    print(f"{TASKS.name}: {len(lines)} tasks")


if __name__ == "__main__":
    main()

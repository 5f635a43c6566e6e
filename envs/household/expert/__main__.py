"""`python -m cotgap.envs.household.expert --data DIR`: how many games the expert wins."""

from __future__ import annotations

import argparse
from pathlib import Path

from cotgap.envs.household.expert.playing import play
from cotgap.envs.household.game import load_game


def main() -> None:
    """Print how many games the expert wins, by split and task type."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with json_2.1.1/")
    parser.add_argument("--steps", type=int, default=50, help="commands per game")
    parser.add_argument("--noise", type=float, default=0.0, help="share of random valid commands")
    parser.add_argument("--wording", default="file", help="file, current, older or package")
    options = parser.parse_args()
    print(f"{'split':<14}{'task type':<32}{'games':>6}{'won':>7}{'share':>9}{'mean steps':>12}")
    for split in ("valid_seen", "valid_unseen", "train"):
        results: dict[str, list[tuple[bool, int]]] = {}
        paths = sorted((options.data / "json_2.1.1" / split).glob("*/*/game.tw-pddl"))
        for seed, path in enumerate(paths):
            result = play(load_game(path, options.wording), options.steps, options.noise, seed)
            for kind in (path.parts[-3].split("-")[0], "all"):
                results.setdefault(kind, []).append(result)
        for kind in sorted(results, key=lambda kind: (kind == "all", kind)):
            won = [steps for success, steps in results[kind] if success]
            total, mean = len(results[kind]), sum(won) / max(len(won), 1)
            share = len(won) / total
            print(f"{split:<14}{kind:<32}{total:>6}{len(won):>7}{share:>9.2%}{mean:>12.2f}")


if __name__ == "__main__":
    main()

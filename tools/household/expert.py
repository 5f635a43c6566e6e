"""Counts the ALFWorld games that the expert wins."""

from __future__ import annotations

import random
from typing import Annotated

import typer

from cotgap.envs.core import Panel, Task
from cotgap.envs.expert import play_expert
from cotgap.envs.household.env import HouseholdEnv
from cotgap.envs.household.game import Game, load_game
from cotgap.envs.household.wording import ALL_WORDINGS
from tools.cli import run
from tools.household.data import Data, games, need_games

app = typer.Typer(add_completion=False)


@app.command(epilog="Example: `python -m tools.household.expert --noise 0.1 --wording rephrased`")
def main(
    data: Data,
    steps: Annotated[int, typer.Option(help="Commands per game, at most.", min=1)] = 50,
    noise: Annotated[float, typer.Option(help="Share of random valid commands.")] = 0.0,
    wording: Annotated[
        str, typer.Option(help=f"file (what each file carries) or {', '.join(ALL_WORDINGS)}.")
    ] = "file",
) -> None:
    """Print how many games the expert wins, by split and task type."""
    need_games(list(games(data)), data)
    print(f"{'split':<14}{'task type':<32}{'games':>6}{'won':>7}{'share':>9}{'mean steps':>12}")
    for split in ("valid_seen", "valid_unseen", "train"):
        results: dict[str, list[tuple[bool, int]]] = {}
        for seed, path in enumerate(games(data / split)):
            result = play(load_game(path, wording), steps, noise, seed)
            for kind in (path.parts[-3].split("-")[0], "all"):
                results.setdefault(kind, []).append(result)
        for kind in sorted(results, key=lambda kind: (kind == "all", kind)):
            won = [steps for success, steps in results[kind] if success]
            total, mean = len(results[kind]), sum(won) / max(len(won), 1)
            share = len(won) / total
            print(f"{split:<14}{kind:<32}{total:>6}{len(won):>7}{share:>9.2%}{mean:>12.2f}")


def play(game: Game, steps: int = 50, noise: float = 0.0, seed: int = 0) -> tuple[bool, int]:
    """(won, commands given) within `steps` commands.

    With probability `noise` a command is replaced by a random valid one.
    """
    task = Task("game", game.content_hash)
    panel = Panel("household", "file", (task,), "", steps, instructions="", example="")
    env = HouseholdEnv(panel, lambda task: game, list_actions=False)
    played = play_expert(env, task.id, noise=noise, dice=random.Random(seed), argue=False)
    return played.won, len(played.steps)


if __name__ == "__main__":
    run(app)

"""Times our environments beside the packages that they use, step by step in the same episode.

Each action is played in our environment and then in the package, so that other work on the machine
slows both. "package" is the package's environment as its users call it; "calls" are the fewest
calls of the package that give text and score.
"""

from __future__ import annotations

import itertools
import json
import shutil
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from cotgap import envs
from cotgap.envs.bfcl.backend import official, truth_calls
from cotgap.envs.bfcl.calls import render
from cotgap.envs.bfcl.data import load_item
from cotgap.envs.core import TextEnv
from tools.cli import run

app = typer.Typer(add_completion=False)
ROUNDS = 5  # of the whole episode, after one to warm up


@dataclass(frozen=True)
class Player:
    """One way to play an episode: `start()`, then `act(action)` for each action."""

    name: str
    start: Callable[[], object]
    act: Callable[[str], object]


def of_env(env: TextEnv, task: str) -> Player:
    """Our environment as a player."""
    return Player("ours", lambda: env.reset(options={"task": task}), env.step)


def expert_actions(env: TextEnv, task: str) -> list[str]:
    """What the expert does in an episode."""
    env.reset(options={"task": task})
    actions, over = [], False
    while not over:
        actions.append(env.expert_action())  # type: ignore[attr-defined]
        _, _, terminated, truncated, _ = env.step(actions[-1])
        over = terminated or truncated
    return actions


def scienceworld() -> tuple[list[Player], list[str]]:
    """ScienceWorld; package and calls each have their own Java machine, started by the package."""
    from scienceworld import ScienceWorldEnv as Stock

    task, variation = "grow-plant", 93
    env = envs.get_suite("scienceworld").make()
    stock, bare = (Stock("", envStepLimit=10**6) for _ in range(2))

    def start_bare() -> None:
        bare.server.load(task, variation, "easy", False)
        bare.server.getTaskDescription()
        act_bare("look around")

    def act_bare(action: str) -> None:
        bare.server.step(action)
        bare.server.getScore()

    def start_stock() -> None:
        stock.load(task, variation, "easy")
        stock.reset()

    players = [
        of_env(env, f"{task}/{variation}"),
        Player("calls", start_bare, act_bare),
        Player("package", start_stock, stock.step),
    ]
    return players, expert_actions(env, f"{task}/{variation}")


def bfcl() -> tuple[list[Player], list[str]]:
    """BFCL; of the package only its executor of calls is timed, without its turns and verdict."""
    env = envs.get_suite("bfcl").make()
    task = env.panel.tasks[0]
    item = load_item(env.panel, task)
    calls = [call for turn in range(len(item.truth)) for call in truth_calls(item, turn)][:20]
    raw = {render([call]): str(call) for call in calls}
    names = itertools.count()
    name = ""

    def execute(texts: list[str]) -> object:
        return official().executor.execute_multi_turn_func_call(
            texts, item.entry["initial_config"], list(item.classes), name, item.entry["id"]
        )

    def start() -> None:
        nonlocal name
        name = f"overhead{next(names)}"
        execute([])

    players = [of_env(env, task.id), Player("calls", start, lambda a: execute([raw[a]]))]
    return players, list(raw)


def textworld() -> tuple[list[Player], list[str]]:
    """TextWorld's own environment, asked for score and admissible commands as ours is."""
    import textworld as stock

    env = envs.get_suite("textworld").make()
    task = next(task for task in env.panel.tasks if task.kind == "cooking")
    actions = expert_actions(env, task.id)
    game = env.game  # type: ignore[attr-defined]
    story = Path(shutil.copy(game.story, Path(tempfile.mkdtemp(), "tw-game.z8")))
    story.with_suffix(".json").write_text(json.dumps(game.data))
    theirs: Any = stock.start(
        str(story), request_infos=stock.EnvInfos(admissible_commands=True, score=True)
    )
    return [of_env(env, task.id), Player("package", theirs.reset, theirs.step)], actions


def measure(
    players: Sequence[Player], actions: Sequence[str]
) -> dict[str, tuple[list[float], list[float]]]:
    """Player → (seconds of each reset, seconds of each step), all in the same order."""
    seconds: dict[str, tuple[list[float], list[float]]] = {p.name: ([], []) for p in players}
    for number in range(ROUNDS + 1):
        for player in players:
            taken = _timed(player.start)
            if number:
                seconds[player.name][0].append(taken)
        for action in actions:
            for player in players:
                taken = _timed(player.act, action)
                if number:
                    seconds[player.name][1].append(taken)
    return seconds


def _timed(function: Callable[..., object], *arguments: str) -> float:
    begun = perf_counter()
    function(*arguments)
    return perf_counter() - begun


@app.command(epilog="Example: `python -m tools.overhead`")
def main() -> None:
    """Print medians, 95th percentiles, and the median ratio of single steps."""
    table = Table(box=None, pad_edge=False)
    for column in ("suite", "what", "", "median ms", "p95 ms", "ours / it"):
        table.add_column(column, justify="left" if column in ("suite", "what", "") else "right")
    for family in (scienceworld, bfcl, textworld):
        measured = measure(*family())
        for place, what in enumerate(("reset", "step")):
            ours = measured["ours"][place]
            for name, times in measured.items():
                seconds = times[place]
                p95 = statistics.quantiles(seconds, n=20, method="inclusive")[-1]
                ratio = statistics.median(a / b for a, b in zip(ours, seconds, strict=True))
                shown = [f"{1000 * statistics.median(seconds):.3g}", f"{1000 * p95:.3g}"]
                table.add_row(family.__name__, what, name, *shown, f"{ratio:.2f}")
    Console().print(table)


if __name__ == "__main__":
    run(app)

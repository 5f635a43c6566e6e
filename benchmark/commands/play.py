"""`cotgap play`: a person at the terminal plays a game."""

from __future__ import annotations

import random

from rich.console import Console

from cotgap.benchmark.options import PlayOptions
from cotgap.envs.core import CoTGapError, Expert, TextEnv
from cotgap.envs.registry import get_suite

try:  # line editing and Tab completion, where Python has them
    import readline
except ImportError:  # pragma: no cover (not on every platform)
    readline = None  # type: ignore[assignment]

HELP = "`?` lists the actions, `!` asks the expert, Ctrl-D leaves."


def execute(options: PlayOptions) -> None:
    """Play a task (SUITE/SPLIT[/TASK]) until it ends or the person leaves."""
    name, number = options.panel, options.task
    suite_name, _, rest = name.partition("/")
    split, _, task = rest.partition("/")
    suite = get_suite(suite_name)
    panel = suite.panel(split)
    if task and number is not None:
        raise CoTGapError(f"{name} names a task already; leave --task out")
    if not task:
        if number is None:
            number = random.Random(options.seed).randrange(len(panel))
        if number >= len(panel):
            raise CoTGapError(f"--task {number}: {panel.name} has tasks 0 to {len(panel) - 1}")
        task = panel.tasks[number].id
    env = suite.make(panel)
    console = Console()
    try:
        _play(env, task, console)
    except (EOFError, KeyboardInterrupt):
        console.print("\nbye")
    finally:
        env.close()


def _play(env: TextEnv, task: str, console: Console) -> None:
    observation, info = env.reset(options={"task": task})
    console.print(f"{env.task_key} · {env.panel.step_limit} steps · {HELP}", style="dim")
    console.print(env.instructions, style="dim", markup=False, highlight=False)
    console.print()
    console.print(observation, markup=False, highlight=False)
    while True:
        _complete_with(info.get("admissible_actions") or [])
        line = input(f"\n{info['steps']:>3}> ")
        if line == "?":
            actions = env.admissible_actions() or ["this suite cannot list its actions"]
            console.print("\n".join(actions), markup=False)
            continue
        if line == "!":
            hint = env.expert_action() if isinstance(env, Expert) else "this suite has no expert"
            console.print(hint, style="cyan", markup=False, highlight=False)
            continue
        observation, _, terminated, truncated, info = env.step(line)
        console.print(observation, markup=False, highlight=False)
        if terminated or truncated:
            word = "won" if info["won"] else ("lost" if terminated else "out of steps")
            console.print(f"\n{word} after {info['steps']} steps", style="bold")
            return


def _complete_with(actions: list[str]) -> None:
    if readline is None:
        return

    def complete(text: str, state: int) -> str | None:
        fitting = [action for action in actions if action.startswith(text)]
        return fitting[state] if state < len(fitting) else None

    readline.set_completer(complete)
    readline.set_completer_delims("")
    readline.parse_and_bind("tab: complete")

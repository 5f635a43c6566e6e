"""The expert in a single game, whatever panel that is of."""

from __future__ import annotations

import random

from cotgap.envs.core import Panel, Task
from cotgap.envs.expert import play_expert
from cotgap.envs.household.env import HouseholdEnv
from cotgap.envs.household.game import Game


def play(game: Game, steps: int = 50, noise: float = 0.0, seed: int = 0) -> tuple[bool, int]:
    """(won, commands given) within `steps` commands.

    With probability `noise` a command is replaced by a random valid one.
    """
    task = Task("game", game.content_hash, "")
    panel = Panel("household", "file", (task,), "", steps, instructions="", example="")
    env = HouseholdEnv(panel, lambda task: game, list_actions=False)
    dice = random.Random(seed)
    played = play_expert(env, task.id, noise=noise, dice=dice, argue=False)
    return played.won, len(played.steps)

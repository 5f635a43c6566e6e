"""ALFWorld-format household games, played by a pure-Python engine that equals the stock one.

`load_game` reads a `game.tw-pddl`, `World` plays it. See `envs.household.engine`.
"""

from envs.household.actions import Action
from envs.household.engine import World
from envs.household.errors import BadGame
from envs.household.game import Game, cached_game, load_game, make_game
from envs.household.wording import WORDINGS, Wording

__all__ = [
    "WORDINGS",
    "Action",
    "BadGame",
    "Game",
    "Wording",
    "World",
    "cached_game",
    "load_game",
    "make_game",
]

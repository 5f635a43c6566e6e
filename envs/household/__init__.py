"""ALFWorld-format household games, played by a pure-Python engine that equals the stock one.

`load_game` reads a `game.tw-pddl`, `World` plays it. See `envs.household.engine`. `SUITE` is the
suite of generated games, see `envs.household.suite` and `envs.household.generator`.
"""

from envs.household.actions import Action
from envs.household.engine import World
from envs.household.errors import BadGame
from envs.household.game import Game, cached_game, load_game, make_game
from envs.household.suite import SUITE, HouseholdSuite
from envs.household.wording import ALL_WORDINGS, WORDINGS, Wording

__all__ = [
    "ALL_WORDINGS",
    "SUITE",
    "WORDINGS",
    "Action",
    "BadGame",
    "Game",
    "HouseholdSuite",
    "Wording",
    "World",
    "cached_game",
    "load_game",
    "make_game",
]

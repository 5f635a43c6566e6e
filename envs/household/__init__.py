"""ALFWorld-format household games, played by a pure-Python engine exactly as by the stock one.

`load_game` reads a `game.tw-pddl`, `World` plays it. See `cotgap.envs.household.engine`. `SUITE` is
the suite of generated games, see `cotgap.envs.household.suite` and
`cotgap.envs.household.generator`.
"""

from cotgap.envs.household.actions import Action
from cotgap.envs.household.engine import World
from cotgap.envs.household.errors import BadGame
from cotgap.envs.household.game import Game, cached_game, load_game, make_game
from cotgap.envs.household.suite import SUITE, HouseholdSuite
from cotgap.envs.household.wording import ALL_WORDINGS, WORDINGS, Wording

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

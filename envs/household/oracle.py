"""The fewest commands from any state of a game to its goal: exact, fast, and cached.

The search leaves out everything that cannot matter to the cost. This is exact for these reasons:

- The agent gets from any place to any other with one command, and it holds one object at a time. So
  a plan for one *way* to reach the goal (which objects, which receptacles;
  `cotgap.envs.household.grounding`) needs only the way's objects that lack something, the
  receptacles that they are in or have to get to, the appliances that they need, and an object that
  is in hand at the start and has to be put down.
- To put that object down, all open receptacles at a place are equally good, and so are all those at
  places that do not matter. A closed one is needed only where there is no open one.
- An object that has yet to get somewhere never gains from being put down elsewhere on the way:
  fetching it again costs two more actions and saves at most two moves.
- Closing, looking and touching anything else never help, because the goal only asks for facts to
  hold.

What remains is a `cotgap.envs.household.planning.Errand` for each way, solved by A*. The answer is
the least cost of all ways.

A goal outside these forms (none in the public data) is searched for by brute force, see
`brute_force`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from cotgap.envs.core import CoTGapError
from cotgap.envs.household.engine import World
from cotgap.envs.household.game import Game, members
from cotgap.envs.household.grounding import NotListable, Way, list_ways
from cotgap.envs.household.planning import Errand, Spot, Subgoal, Thing, cheapest

BRUTE_FORCE_STATES: Final = 20_000
_GAMES_KEPT: Final = 128
_STATES_KEPT: Final = 1_024  # of each game
_IDLE: Final = frozenset({"look", "inventory", "help", "examine"})


class SearchLimitError(CoTGapError):
    """A goal has no form that the exact search knows, and is too far away for brute force."""


def cost_to_go(world: World) -> int | None:
    """Fewest valid commands from `world`'s state to one where the goal holds; 0 if it holds now.

    None if no commands lead there. Raises `SearchLimitError` rather than give a number that may
    be wrong; no goal of a form that the public data has can cause that.
    """
    if world.won:
        return 0
    ways = _ways(world.game)
    if ways is None:
        return brute_force(world, BRUTE_FORCE_STATES)
    return ways.cost(ways.view(world))


def optimal_action(world: World) -> str | None:
    """The first command, in alphabetical order, that brings the goal one action nearer.

    None if the goal holds already or cannot be reached. Raises `SearchLimitError`.
    """
    cost = cost_to_go(world)
    if not cost:
        return None
    start = world.snapshot()
    try:
        for command in world.admissible():
            world.step(command)
            if cost_to_go(world) == cost - 1:
                return command
            world.restore(start)
    finally:
        world.restore(start)
    raise AssertionError("an optimal plan has a first command")


def brute_force(world: World, states: int) -> int | None:
    """`cost_to_go` by breadth-first search over the game itself, whatever its goal.

    Raises `SearchLimitError` after that many states.
    """
    start = world.snapshot()
    checks = "checked" in str(
        world.game.goal.tree
    )  # otherwise looking changes nothing that matters
    seen = {_essence(world)}
    queue = deque([(0, start)])
    try:
        while queue:
            cost, state = queue.popleft()
            world.restore(state)
            if world.won:
                return cost
            for command, action in world.actions().copy().items():
                if action.verb in _IDLE and not checks:
                    continue
                world.restore(state)
                world.step(command)
                if (essence := _essence(world)) not in seen:
                    seen.add(essence)
                    queue.append((cost + 1, world.snapshot()))
            if len(seen) > states:
                raise SearchLimitError(
                    f"{world.game.name}: no way to the goal among the nearest {states:,} states; "
                    "its goal is not of a form that has a faster exact search"
                )
    finally:
        world.restore(start)
    return None


def _essence(world: World) -> tuple[object, ...]:
    """All of the state that the goal or the rules can depend on."""
    return (
        world.location, world.held, world.contents, world.lying, world.opened, world.clean,
        world.hot, world.cool, world.sliced, world.toggled, world.on, world.checked,
    )  # fmt: skip


class _View(NamedTuple):
    """The part of a state on which the ways to the goal depend."""

    location: int
    held: int | None
    opened: int
    within: tuple[int, ...]
    """Mask of receptacles for each relevant object."""
    clean: int
    hot: int
    cool: int
    toggled: int


class _Ways:
    """A game's ways to its goal, the objects that occur in them, and the known costs of states."""

    def __init__(self, game: Game) -> None:
        self.game = game
        self.ways = list_ways(game)
        self.costs: dict[_View, int | None] = {}
        objects = sorted(set().union(*map(_objects, self.ways)))
        self.index = {obj: i for i, obj in enumerate(objects)}
        self.mask = sum(1 << obj for obj in objects)

    def view(self, world: World) -> _View:
        index, mask = self.index, self.mask
        within = [0] * len(index)
        for r, inside in enumerate(world.contents):
            for obj in inside:
                if obj in index:
                    within[index[obj]] |= 1 << r
        return _View(
            world.location, world.held, world.opened, tuple(within),
            world.clean & mask, world.hot & mask, world.cool & mask, world.toggled & mask,
        )  # fmt: skip

    def cost(self, view: _View) -> int | None:
        if view not in self.costs:
            if len(self.costs) >= _STATES_KEPT:
                self.costs.clear()
            errands = {_Abstraction(self.game, view, self.index, way).errand() for way in self.ways}
            costs = [cheapest(errand) for errand in errands if errand is not None]
            self.costs[view] = min((cost for cost in costs if cost is not None), default=None)
        return self.costs[view]


def _objects(way: Way) -> set[int]:
    held = set() if way.held is None else {way.held}
    return held.union(way.clean, way.hot, way.cool, way.toggled, (obj for obj, _ in way.inside))


@lru_cache(maxsize=_GAMES_KEPT)
def _ways(game: Game) -> _Ways | None:
    """A game's ways to its goal; None where they cannot be listed."""
    try:
        ways = _Ways(game)
    except NotListable:
        return None
    # The module's argument does not hold for a lamp that can be picked up.
    carried = any(game.pickupable >> obj & 1 for way in ways.ways for obj in way.toggled)
    return None if carried else ways


class _Abstraction:
    """Makes the errand of one way; things, places and spots are numbered as they come up."""

    def __init__(self, game: Game, view: _View, index: dict[int, int], way: Way) -> None:
        self.game, self.view, self.way = game, view, way
        self.within = {obj: view.within[i] for obj, i in index.items()}
        self.wanted: dict[int, int] = {}
        for obj, r in way.inside:
            self.wanted[obj] = self.wanted.get(obj, 0) | 1 << r
        self.things: dict[int, int] = {}  # object → thing
        self.places: dict[int, int] = {view.location: 0}  # location → place
        self.spots: dict[int, int] = {}  # receptacle → spot
        self.subgoals: list[Subgoal] = []
        self.treatments: dict[int, int] = {}  # object → mask of subgoals

    def errand(self) -> Errand | None:
        """The errand; None where something that the way needs does not exist."""
        way, view, game = self.way, self.view, self.game
        for obj in sorted(_objects(way)):
            if not self._add_subgoals(obj):
                return None
            if obj in self.treatments or obj in (view.held, way.held) or self._missing(obj):
                self._thing(obj)
        if view.held is not None:
            self._thing(view.held)
        for obj in self.things:
            for r in members(self._spots_of(obj)):
                self._spot(r)
        end = -1 if way.location is None else self._place(way.location)
        for obj in self.things:
            if self._may_be_in_the_way(obj):
                self._add_dumps(obj)
        can_return = bool(game.receptacles_at[view.location])
        if end > 0 and not game.receptacles_at[way.location or 0]:
            return None
        return Errand(
            spots=tuple(self._describe(r) for r in self.spots),
            things=tuple(
                Thing(
                    self._mask(self.within.get(obj, 0)),
                    self._mask(self.wanted.get(obj, 0)),
                    self.treatments.get(obj, 0),
                )
                for obj in self.things
            ),
            subgoals=tuple(self.subgoals),
            hand=self._number(view.held),
            held=self._number(way.held),
            place=end,
            can_return=can_return,
            places=len(self.places),
        )

    def _missing(self, obj: int) -> int:
        return self.wanted.get(obj, 0) & ~self.within.get(obj, 0)

    def _spots_of(self, obj: int) -> int:
        return self.within.get(obj, 0) | self.wanted.get(obj, 0)

    def _number(self, obj: int | None) -> int:
        return -1 if obj is None else self.things[obj]

    def _thing(self, obj: int) -> int:
        return self.things.setdefault(obj, len(self.things))

    def _place(self, location: int) -> int:
        return self.places.setdefault(location, len(self.places))

    def _spot(self, receptacle: int) -> None:
        self.spots.setdefault(receptacle, len(self.spots))
        if (location := self.game.receptacle_location[receptacle]) >= 0:
            self._place(location)

    def _mask(self, receptacles: int) -> int:
        return sum(1 << self.spots[r] for r in members(receptacles))

    def _add_subgoals(self, obj: int) -> bool:
        """Add what has to be done to an object; False if that is impossible."""
        game, view, way = self.game, self.view, self.way
        for wanted, now, able, appliances in (
            (way.clean, view.clean, game.cleanable, game.can_clean),
            (way.hot, view.hot, game.heatable, game.can_heat),
            (way.cool, view.cool, game.coolable, game.can_cool),
        ):
            if obj in wanted and not now >> obj & 1:
                places = {game.receptacle_location[r] for r in members(appliances)} - {-1}
                if not places or not able >> obj & 1:
                    return False
                mask = sum(1 << self._place(location) for location in sorted(places))
                self.treatments[obj] = self.treatments.get(obj, 0) | 1 << len(self.subgoals)
                self.subgoals.append(Subgoal(mask, -1))
        if obj in way.toggled and not view.toggled >> obj & 1:
            if not game.toggleable >> obj & 1:
                return False
            self.subgoals.append(Subgoal(0, self._thing(obj)))
        return True

    def _may_be_in_the_way(self, obj: int) -> bool:
        """Whether the object may be in hand without a receptacle that it has to get to."""
        if obj == self.view.held:
            return not self._missing(obj)
        spots = self.within.get(obj, 0)
        return spots.bit_count() > 1 or (obj in self.treatments and obj not in self.wanted)

    def _add_dumps(self, obj: int) -> None:
        """Add spots to put an object down: the best one at each place, and one elsewhere."""
        game = self.game
        for location in list(self.places):
            self._add_dump(obj, game.receptacles_at[location])
        elsewhere = (
            r for r, place in enumerate(game.receptacle_location)
            if place >= 0 and place not in self.places
        )  # fmt: skip
        self._add_dump(obj, elsewhere)

    def _add_dump(self, obj: int, receptacles: Iterable[int]) -> None:
        options = [r for r in receptacles if self.game.accepts[r] >> obj & 1]
        options.sort(key=lambda r: (self._is_closed(r), r not in self.spots, r))
        if options:
            self._spot(options[0])

    def _is_closed(self, receptacle: int) -> bool:
        return bool((self.game.openable & ~self.view.opened) >> receptacle & 1)

    def _describe(self, receptacle: int) -> Spot:
        accepts = 0
        for obj, i in self.things.items():
            takes = self.game.accepts[receptacle] >> obj & 1
            if takes and (
                self.wanted.get(obj, 0) >> receptacle & 1 or self._may_be_in_the_way(obj)
            ):
                accepts |= 1 << i
        location = self.game.receptacle_location[receptacle]
        return Spot(self.places.get(location, -1), self._is_closed(receptacle), accepts)

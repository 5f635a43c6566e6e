"""Optimal plans in a small abstract household: a few things, receptacles and places.

An `Errand` is a game's state and one way to reach the goal, without everything that cannot matter
to that way; `cotgap.envs.household.oracle` makes it. Things are numbered so that the same errand
comes up in many games, so solutions are cached.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from heapq import heappop, heappush
from typing import NamedTuple, TypeAlias

from cotgap.envs.household.game import members


class Spot(NamedTuple):
    """A receptacle of an errand."""

    place: int
    """-1 where the agent cannot get to it."""
    closed: bool
    accepts: int
    """Mask of the things that may be put there."""


class Thing(NamedTuple):
    """An object of an errand. Spots and subgoals are masks."""

    within: int
    """The spots that it is in at the start."""
    wanted: int
    """The spots that it must be in at the end."""
    treatments: int
    """The subgoals that need it in hand."""


class Subgoal(NamedTuple):
    """Something to do once: heat, cool or clean a thing in hand, or use a thing where it lies."""

    places: int
    """Mask of the places where a thing in hand is treated; 0 for a subgoal of using a thing."""
    used: int
    """The thing to use wherever it lies, or -1."""


class Errand(NamedTuple):
    """Start and goal. The agent starts at place 0, with every subgoal still to be done."""

    spots: tuple[Spot, ...]
    things: tuple[Thing, ...]
    subgoals: tuple[Subgoal, ...]
    hand: int
    """The thing in hand, or -1."""
    held: int
    """The thing to hold in the end, or -1 where that does not matter."""
    place: int
    """The place to stand at in the end, or -1 where that does not matter."""
    can_return: bool
    """Whether the agent can come back to place 0 (it cannot if no receptacle is there)."""
    places: int
    """How many places there are."""


# Place, thing in hand (or -1), mask of opened spots, mask of subgoals done, spots of each thing.
_State: TypeAlias = tuple[int, int, int, int, tuple[int, ...]]

_IMPOSSIBLE = 1_000_000


@lru_cache(maxsize=1 << 14)
def cheapest(errand: Errand) -> int | None:
    """The fewest actions that fulfil an errand, or None if none do (A* search)."""
    start: _State = (0, errand.hand, 0, 0, tuple(thing.within for thing in errand.things))
    cost = {start: 0}
    queue = [(_bound(errand, start), 0, start)]
    while queue:
        total, negative, state = heappop(queue)
        if total >= _IMPOSSIBLE:
            return None
        done = -negative
        if done > cost[state]:
            continue  # a shorter plan to this state is known by now
        if _is_fulfilled(errand, state):
            return done
        for after in _successors(errand, state):
            if done + 1 < cost.get(after, _IMPOSSIBLE):
                cost[after] = done + 1
                # Of states with the same estimate, the deepest comes first.
                heappush(queue, (done + 1 + _bound(errand, after), -done - 1, after))
    return None


def _is_fulfilled(errand: Errand, state: _State) -> bool:
    place, hand, _, done, within = state
    return (
        done == (1 << len(errand.subgoals)) - 1
        and errand.held in (-1, hand)
        and errand.place in (-1, place)
        and all(
            thing.wanted & ~spots == 0 for thing, spots in zip(errand.things, within, strict=True)
        )
    )


def _successors(errand: Errand, state: _State) -> Iterator[_State]:
    place, hand, opened, done, within = state
    for there in range(0 if errand.can_return else 1, errand.places):
        if there != place:
            yield there, hand, opened, done, within
    for number, spot in enumerate(errand.spots):
        if spot.place != place:
            continue
        bit = 1 << number
        if spot.closed and not opened & bit:
            yield place, hand, opened | bit, done, within
        elif hand >= 0:
            if spot.accepts >> hand & 1:
                yield place, -1, opened, done, _moved(within, hand, within[hand] | bit)
        else:
            for i, spots in enumerate(within):
                if spots & bit and _is_needed(errand, state, i):
                    yield place, i, opened, done, _moved(within, i, spots & ~bit)
    for number, subgoal in enumerate(errand.subgoals):
        if done >> number & 1:
            continue
        if subgoal.used >= 0:
            ready = any(errand.spots[s].place == place for s in members(within[subgoal.used]))
        else:
            treated = hand >= 0 and errand.things[hand].treatments >> number & 1
            ready = bool(treated and subgoal.places >> place & 1)
        if ready:
            yield place, hand, opened, done | 1 << number, within


def _moved(within: tuple[int, ...], thing: int, spots: int) -> tuple[int, ...]:
    return (*within[:thing], spots, *within[thing + 1 :])


def _is_needed(errand: Errand, state: _State, i: int) -> bool:
    """Whether thing `i` still has to be in hand at some time."""
    thing = errand.things[i]
    return bool(thing.wanted & ~state[4][i] or thing.treatments & ~state[3] or errand.held == i)


def _bound(errand: Errand, state: _State) -> int:
    """A lower bound of the cost from `state`: the actions that it needs and the moves for them."""
    place, hand, opened, done, within = state
    subgoals = errand.subgoals
    left = ((1 << len(subgoals)) - 1) & ~done
    actions = left.bit_count()
    takes = 0
    goto = 0  # places that must be visited
    unlock = 0  # spots that must be opened
    for number in members(left):
        goto |= subgoals[number].places if subgoals[number].places.bit_count() == 1 else 0
    for i, thing in enumerate(errand.things):
        spots, missing = within[i], thing.wanted & ~within[i]
        if hand != i and _is_needed(errand, state, i):
            if not spots:
                return _IMPOSSIBLE
            takes += 1
            if spots.bit_count() == 1:
                unlock |= spots
                # If its only spot is one where it is wanted, it must come back.
                actions += bool(spots & thing.wanted)
        actions += missing.bit_count()
        unlock |= missing
    for number in members(unlock):
        if errand.spots[number].place < 0:
            return _IMPOSSIBLE
        goto |= 1 << errand.spots[number].place
        actions += errand.spots[number].closed and not opened >> number & 1
    if hand >= 0 and takes and not errand.things[hand].wanted & ~within[hand]:
        actions += 1  # the hand must be emptied first
    if errand.place >= 0:
        goto |= 1 << errand.place
    return actions + takes + (goto & ~(1 << place)).bit_count()

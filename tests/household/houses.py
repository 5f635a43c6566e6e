"""Small games for exhaustive tests: made up, or cut out of real ones."""

from __future__ import annotations

import random
import re
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

from cotgap.envs.household import Game, World, load_game
from cotgap.envs.household.game import make_game

PLACE = (
    "(exists (?r - receptacle) (exists (?o - object) (and {more} (inReceptacle ?o ?r) "
    "(objectType ?o MugType) (receptacleType ?r DeskType))))"
)
TWO = (
    "(exists (?r - receptacle) (exists (?o1 - object) (and (objectType ?o1 MugType) "
    "(receptacleType ?r DeskType) (inReceptacle ?o1 ?r) (exists (?o2 - object) (and "
    "(not (= ?o1 ?o2)) (objectType ?o2 MugType) {more} (receptacleType ?r DeskType) "
    "(inReceptacle ?o2 ?r))))))"
)
LOOK = (
    "(and (exists (?ot - object ?r - receptacle ?a - agent ?l - location) (and "
    "(objectType ?ot DeskLampType) (toggleable ?ot) (isToggled ?ot) "
    "(receptacleAtLocation ?r ?l) (atLocation ?a ?l) (inReceptacle ?ot ?r))) "
    "(exists (?o - object ?a - agent) (and (objectType ?o MugType) (holds ?a ?o))))"
)
GOALS = {
    "place": PLACE.format(more=""),
    "clean": PLACE.format(more="(cleanable ?o) (isClean ?o)"),
    "heat": PLACE.format(more="(heatable ?o) (isHot ?o)"),
    "cool": PLACE.format(more="(coolable ?o) (isCool ?o)"),
    "two": TWO.format(more=""),
    "look": LOOK,
    "two clean": TWO.format(more="(isClean ?o1) (isClean ?o2)"),
}
"""The six forms of goal in the public data, and one beyond."""


def random_house(goal: str, dice: random.Random) -> Game:
    """A few receptacles at fewer places, mugs, something else, and perhaps a lamp."""
    kinds = ["Desk", dice.choice(["Desk", "Drawer", "Shelf"]), dice.choice(["Drawer", "Shelf"])]
    things = ["Mug_bar_0", "Book_bar_1", "Mug_bar_2"]
    appliances = {"clean": "SinkBasin", "heat": "Microwave", "cool": "Fridge"}
    if goal in appliances:  # fewer of all, as hot, cool and clean multiply the states
        kinds[1:2] = sorted({appliances[goal], dice.choice(list(appliances.values()))})
        things = things[: dice.randrange(1, 3)]
    # How often a thing is in two receptacles, and how often one may be a desk.
    doubled, settled = 0.3, 0.2
    if goal == "two clean":
        doubled, settled = 0.8, 0.9
        kinds[2], things[1:2] = "SinkBasin", []
    symbols = [f"{kind}_bar_{n}" for n, kind in enumerate(kinds)]
    places = [f"loc_bar_{dice.randrange(1, 4)}" for _ in symbols]
    start = dice.choice(["loc_bar_0", *places])
    facts = [f"atLocation agent1 {start}", "canContain DeskType MugType"]
    facts += [
        f"canContain {kind}Type {thing}Type"
        for kind in dict.fromkeys(kinds)
        for thing in ("Mug", "Book")
        if dice.random() < 0.6
    ]
    for symbol, kind, place in zip(symbols, kinds, places, strict=True):
        facts += [f"receptacleType {symbol} {kind}Type", f"receptacleAtLocation {symbol} {place}"]
        if dice.random() < 0.5:
            facts.append(f"openable {symbol}")
            if dice.random() < 0.2:
                facts.append(f"opened {symbol}")
    for thing in things:
        facts += [f"objectType {thing} {thing[:-6]}Type", f"pickupable {thing}"]
        if goal == "two clean":
            facts.append(f"cleanable {thing}")
        elif thing == "Mug_bar_0" and goal in appliances:
            facts += [f"{able} {thing}" for able in ("cleanable", "heatable", "coolable")]
        spots = symbols if dice.random() < settled else symbols[1:]
        for symbol in dice.sample(spots, k=1 + (dice.random() < doubled)):
            facts.append(f"inReceptacle {thing} {symbol}")
        if dice.random() < 0.2:
            facts.append(f"isCool {thing}")
    if goal == "look":
        things.append("DeskLamp_bar_3")
        facts += ["objectType DeskLamp_bar_3 DeskLampType", "toggleable DeskLamp_bar_3"]
        facts.append(f"inReceptacle DeskLamp_bar_3 {dice.choice(symbols)}")
    return made(facts, GOALS.get(goal, goal))


def made(facts: list[str], goal: str, task: str = "put a mug in desk.") -> Game:
    """A game with these facts; symbols are declared by what their names look like."""
    declared = {
        symbol: _type_of(symbol)
        for fact in [*facts, *re.findall(r"\((\w+Type [^()]*)\)", goal)]
        for symbol in fact.split()[1:]
        if not symbol.startswith("?")
    }
    objects = "\n".join(f"{symbol} - {kind}" for symbol, kind in declared.items())
    init = "\n".join(f"({fact})" for fact in facts)
    return make_game(
        f"(define (problem house) (:domain alfred) (:objects {objects}) (:init {init}) "
        f"(:goal {goal}))",
        task,
    )


def _type_of(symbol: str) -> str:
    name = symbol.split("_")[0]
    if symbol == "agent1":
        return "agent"
    if symbol.endswith("Type"):
        return "rtype" if symbol[:-4] in _RECEPTACLES else "otype"
    return "location" if name == "loc" else "receptacle" if name in _RECEPTACLES else "object"


_RECEPTACLES = ("Desk", "Drawer", "Shelf", "SinkBasin", "Microwave", "Fridge")


class Cut(NamedTuple):
    """How much of a real game is left besides what its goal needs."""

    receptacles: int
    objects: int


def cut_out(data: Mapping[str, Any], cut: Cut, dice: random.Random) -> Game:
    """A real game with few receptacles and objects left; the goal's are among them."""
    problem = re.sub(r";[^\n]*", "", data["pddl_problem"])
    begin, end = problem.index("(:init"), problem.index("(:goal")
    facts = [f.split() for f in re.findall(r"\(([^()=]+)\)", problem[begin + 6 : end])]
    facts = [f for f in facts if f[0] not in ("distance", "total-cost")]
    keep = _kept(facts, problem[end:], cut, dice)
    lines = [
        f"({' '.join(fact)})"
        for fact in facts
        if all(symbol in keep for symbol in fact[1:] if "_bar_" in symbol)
    ]
    text = f"{problem[:begin]}(:init\n{chr(10).join(lines)})\n{problem[end:]}"
    return load_game({**data, "pddl_problem": text, "walkthrough": None})


def _kept(facts: list[list[str]], goal: str, cut: Cut, dice: random.Random) -> set[str]:
    def table(predicate: str) -> dict[str, str]:
        return {fact[1]: fact[-1] for fact in facts if fact[0] == predicate}

    wanted = set(re.findall(r"\b\w+Type\b", goal))
    of_type, kinds, where = (
        table("objectType"),
        table("receptacleType"),
        table("receptacleAtLocation"),
    )
    movable, inside = table("pickupable"), [f[1:] for f in facts if f[0] == "inReceptacle"]
    goods = [o for o in of_type if of_type[o] in wanted and o in movable]
    lamps = [o for o in of_type if of_type[o] in wanted and o not in movable]
    targets = [r for r in kinds if kinds[r] in wanted]
    for options in (goods, lamps, targets):
        dice.shuffle(options)
    things = {*goods[: 2 if "=" in goal else 1], *lamps[:1]}
    appliances = {
        "isClean": "SinkBasinType",
        "isHot": "MicrowaveType",
        "isCool": "FridgeType",
    }
    needed = {kind for predicate, kind in appliances.items() if predicate in goal}
    spots = {*targets[:2], *(r for o, r in inside if o in things)}
    spots |= {r for r in kinds if kinds[r] in needed}
    others = [r for r in where if r not in spots]
    dice.shuffle(others)
    others.sort(key=lambda r: where[r] not in {where.get(spot) for spot in spots})
    spots |= {*others[: cut.receptacles]}
    rest = [o for o, r in inside if r in spots and o in movable and o not in things]
    dice.shuffle(rest)
    start = {fact[2] for fact in facts if fact[0] == "atLocation"}
    return {*things, *rest[: cut.objects], *spots, *(where[r] for r in spots if r in where), *start}


def distances(game: Game, limit: int) -> list[tuple[Any, int | None]] | None:
    """(snapshot, commands to the goal) of every state that can be reached; None above `limit`.

    Found by going back from the states where the goal holds, over all valid commands.
    """
    world = World(game)
    numbers = {_essence(world): 0}
    states, won, before = [world.snapshot()], [world.won], [[0]]
    for number, state in enumerate(states):  # grows as it goes
        world.restore(state)
        for command in world.admissible():
            world.restore(state)
            world.step(command)
            after = numbers.setdefault(_essence(world), len(states))
            if after == len(states):
                states.append(world.snapshot())
                won.append(world.won)
                before.append([])
                if after > limit:
                    return None
            before[after].append(number)
    costs: list[int | None] = [0 if success else None for success in won]
    queue = deque(n for n, success in enumerate(won) if success)
    while queue:
        number = queue.popleft()
        cost = costs[number]
        assert cost is not None
        for earlier in before[number]:
            if costs[earlier] is None:
                costs[earlier] = cost + 1
                queue.append(earlier)
    return list(zip(states, costs, strict=True))


def _essence(world: World) -> tuple[Any, ...]:
    return (world.location, world.held, world.contents, world.opened, world.clean, world.hot,
            world.cool, world.toggled)  # fmt: skip

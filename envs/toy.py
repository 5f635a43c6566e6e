"""The toy suite: a few rooms, a key, a locked door, a goal behind it. No dependencies.

It is small enough to read in one go, has every capability, and carries the fast tests. Layouts
are drawn from the task's own name, so a task is the same on every machine.
"""

from __future__ import annotations

import functools
import hashlib
import json
import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from cotgap.envs.core import Outcome, Panel, Suite, Task, TextEnv

MOVES = {"north": (0, 1), "east": (1, 0), "south": (0, -1), "west": (-1, 0)}
ROOMS = (
    "hall",
    "kitchen",
    "study",
    "cellar",
    "attic",
    "library",
    "pantry",
    "workshop",
    "bedroom",
    "parlour",
)
INSTRUCTIONS = """\
You are in a small house. Find your way to the room named in the task; it lies behind something \
locked, and what opens it lies in another room.
Each turn, give exactly one action:
go DIRECTION (north, east, south or west)
take THING
unlock THING
look"""


@dataclass(frozen=True)
class Layout:
    """A house: `exits[room][direction]` is the next room; `lock` bars the way into `goal`."""

    start: str
    goal: str
    opener: str
    opener_room: str
    barrier: str
    exits: dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class ToyState:
    """What changes during an episode; `seen` are the rooms visited so far."""

    room: str
    holding: bool
    unlocked: bool
    seen: frozenset[str]


def draw_layout(name: str, rooms: tuple[int, int], opener: str, barrier: str) -> Layout:
    """The house of a task: between `rooms[0]` and `rooms[1]` rooms, the goal room included."""
    rng = random.Random(name)

    def pick(options: list[Any]) -> Any:
        # random() is the one method whose values Python promises to keep.
        return options[int(rng.random() * len(options))]

    unused = list(ROOMS)
    places = {(0, 0): _take(unused, rng)}
    size = pick(list(range(rooms[0], rooms[1] + 1)))
    exits: dict[str, dict[str, str]] = {places[0, 0]: {}}
    while len(places) < size:
        # The goal room is the last one drawn, so exactly one way leads into it.
        (x, y), direction = pick(list(places)), pick(list(MOVES))
        place = (x + MOVES[direction][0], y + MOVES[direction][1])
        if place in places:
            continue
        here, there = places[x, y], _take(unused, rng)
        places[place] = there
        exits[here][direction] = there
        exits[there] = {_back(direction): here}
    names = list(places.values())
    return Layout(names[0], names[-1], opener, pick(names[1:-1]), barrier, exits)


def _take(names: list[str], rng: random.Random) -> str:
    return names.pop(int(rng.random() * len(names)))


def _back(direction: str) -> str:
    return {"north": "south", "south": "north", "east": "west", "west": "east"}[direction]


class ToyEnv(TextEnv):
    """A house of the toy suite, with every capability of `cotgap.envs.core`."""

    def __init__(self, panel: Panel, layouts: Mapping[str, Layout], **options: Any) -> None:
        super().__init__(panel, **options)
        self._layouts = layouts

    def _start(self, task: Task, seed: int) -> Outcome:
        self.layout = self._layouts[task.id]
        self._state = ToyState(self.layout.start, False, False, frozenset({self.layout.start}))
        return Outcome(f"{self._describe()}\n\nYour task: {self.goal}", 0.0, won=False)

    def _act(self, action: str) -> Outcome:
        after = self._after(self._state, self.canonical(action))
        if after is None:
            return Outcome("Nothing happens.", 0.0, won=False, valid=False)
        before, self._state = self._state, after
        won = after.room == self.layout.goal
        return Outcome(self._feedback(before, after), float(won), won)

    @property
    def goal(self) -> str:
        """The room to reach."""
        return f"reach the {self.layout.goal}."

    def admissible_actions(self) -> list[str]:
        """All valid actions, sorted."""
        here, layout = self._state, self.layout
        verbs = [f"go {way}" for way in MOVES] + [
            f"take {layout.opener}",
            f"unlock {layout.barrier}",
            "look",
        ]
        return sorted(verb for verb in verbs if self._after(here, verb) is not None)

    def canonical(self, action: str) -> str:
        """Case and white space do not matter here."""
        return " ".join(action.split()).casefold()

    def snapshot(self) -> tuple[Any, ...]:
        """Constant time: states are immutable."""
        return self._save(), self.layout, self._state

    def restore(self, saved: tuple[Any, ...]) -> None:
        """Go back to a snapshot."""
        base, self.layout, self._state = saved
        self._load(base)

    def cost_to_go(self) -> int | None:
        """Length of a shortest plan, by breadth-first search."""
        plan = self._search(self._state, lambda state: state.room == self.layout.goal)
        return None if plan is None else len(plan)

    def expert_action(self) -> str:
        """Explores the nearest unseen room until it has seen what it needs."""
        return self._expert()[0]

    def rationale(self, action: str) -> str:
        """Argues for any action; for the expert's own, it gives the expert's reason."""
        best, reason = self._expert()
        if self.canonical(action) == best:
            return reason
        wish = action.strip() or "wait"
        return f"I am in the {self._state.room}. The next thing to try is to {wish}."

    def _after(self, state: ToyState, action: str) -> ToyState | None:
        """The state after a canonical action, or None where it is not possible."""
        layout = self.layout
        verb, _, rest = action.partition(" ")
        if action == "look":
            return state
        if verb == "go" and (there := layout.exits[state.room].get(rest)) is not None:
            if there == layout.goal and not state.unlocked:
                return None
            return replace(state, room=there, seen=state.seen | {there})
        if (
            action == f"take {layout.opener}"
            and state.room == layout.opener_room
            and not state.holding
        ):
            return replace(state, holding=True)
        if (
            action == f"unlock {layout.barrier}"
            and state.holding
            and not state.unlocked
            and self._at_barrier(state)
        ):
            return replace(state, unlocked=True)
        return None

    def _at_barrier(self, state: ToyState) -> bool:
        return self.layout.goal in self.layout.exits[state.room].values()

    def _search(
        self,
        start: ToyState,
        reached: Callable[[ToyState], bool],
        known: frozenset[str] | None = None,
    ) -> list[str] | None:
        """A shortest plan to a state that satisfies `reached` (through `known` rooms, if given)."""
        verbs = [f"go {way}" for way in MOVES] + [
            f"take {self.layout.opener}",
            f"unlock {self.layout.barrier}",
        ]
        queue: deque[tuple[ToyState, list[str]]] = deque([(start, [])])
        visited = {(start.room, start.holding, start.unlocked)}
        while queue:
            state, plan = queue.popleft()
            if reached(state):
                return plan
            if known is not None and state.room not in known:
                continue
            for verb in verbs:
                after = self._after(state, verb)
                if after and (mark := (after.room, after.holding, after.unlocked)) not in visited:
                    visited.add(mark)
                    queue.append((after, [*plan, verb]))
        return None

    def _expert(self) -> tuple[str, str]:
        """(action, reason), from the rooms seen so far."""
        state, layout = self._state, self.layout
        seen = state.seen
        barrier_seen = any(layout.goal in layout.exits[room].values() for room in seen)
        subgoals: list[tuple[bool, Callable[[ToyState], bool], str]] = [
            (
                state.unlocked,
                lambda s: s.room == layout.goal,
                f"The {layout.barrier} is open, so the {layout.goal} is next.",
            ),
            (
                state.holding and barrier_seen,
                lambda s: s.unlocked,
                f"I have the {layout.opener} and know where the {layout.barrier} is.",
            ),
            (
                not state.holding and layout.opener_room in seen,
                lambda s: s.holding,
                f"The {layout.opener} opens the {layout.barrier}, and I know where it lies.",
            ),
            (
                True,
                lambda s: s.room not in seen,
                f"I have not seen all I need to reach the {layout.goal}, so I look in a new room.",
            ),
        ]
        for applies, reached, reason in subgoals:
            if applies and (plan := self._search(state, reached, seen)):
                return plan[0], f"{reason} So I {plan[0]}."
        return "look", "There is nothing left to do, so I look around."

    def _describe(self) -> str:
        state, layout = self._state, self.layout
        lines = [f"You are in the {state.room}."]
        if state.room == layout.opener_room and not state.holding:
            lines.append(f"There is a {layout.opener} here.")
        for way, there in layout.exits[state.room].items():
            if there == layout.goal:
                kind = "an open" if state.unlocked else "a locked"
                lines.append(f"To the {way} is {kind} {layout.barrier}.")
            else:
                lines.append(
                    f"To the {way} is the {there}."
                    if there in state.seen
                    else f"A way leads {way}."
                )
        return " ".join(lines)

    def _feedback(self, before: ToyState, after: ToyState) -> str:
        if after.holding and not before.holding:
            return f"You take the {self.layout.opener}."
        if after.unlocked and not before.unlocked:
            return f"You unlock the {self.layout.barrier}."
        return self._describe()


@dataclass(frozen=True)
class _Axis:
    size: int
    steps: int
    rooms: tuple[int, int]
    opener: str
    barrier: str
    description: str
    holds_out: str = ""


AXES = {
    "id": _Axis(50, 12, (4, 6), "key", "door", "in-domain: 4 to 6 rooms, a key and a door"),
    "ood_layout": _Axis(50, 18, (7, 9), "key", "door", "OOD (layout): 7 to 9 rooms", "layout"),
    "ood_object": _Axis(
        50, 12, (4, 6), "card", "gate", "OOD (object): a card and a gate", "object"
    ),
    "train": _Axis(200, 12, (4, 6), "key", "door", "for examples and training; disjoint from `id`"),
}


class ToySuite(Suite):
    """Houses of a few rooms with a locked goal room."""

    name = "toy"
    version = "1"
    step_limit = 12
    provenance = "generated by envs/toy.py; success: the goal room is entered"

    @functools.cached_property
    def _layouts(self) -> dict[str, dict[str, Layout]]:
        return {
            split: {
                f"{number:04d}": draw_layout(
                    f"toy/{split}/{number}", axis.rooms, axis.opener, axis.barrier
                )
                for number in range(axis.size)
            }
            for split, axis in AXES.items()
        }

    @functools.cached_property
    def panels(self) -> Mapping[str, Panel]:
        """`id`, one panel for each OOD axis, and `train`."""
        return {
            split: Panel(
                suite=self.name,
                split=split,
                tasks=tuple(
                    Task(name, _digest(layout), "unlock") for name, layout in layouts.items()
                ),
                version=self.version,
                step_limit=AXES[split].steps,
                instructions=INSTRUCTIONS,
                example="go north",
                description=AXES[split].description,
                holds_out=AXES[split].holds_out,
                compared_with="id" if AXES[split].holds_out else "",
            )
            for split, layouts in self._layouts.items()
        }

    def make(self, panel: Panel | None = None, **options: Any) -> ToyEnv:
        """An environment over `panel`, `toy/id` by default."""
        panel = panel or self.panels["id"]
        return ToyEnv(panel, self._layouts[panel.split], **options)


def _digest(layout: Layout) -> str:
    return hashlib.sha256(json.dumps(asdict(layout), sort_keys=True).encode()).hexdigest()


SUITE = ToySuite()

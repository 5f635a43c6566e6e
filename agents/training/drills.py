"""Look-up drills for a model that starts from nothing: is it in this list, which one, where.

A pretrained model finds a name in a text; one trained on a few million tokens of episodes does
not, since few of their tokens depend on it. These drills ask for little else, half of them about
things that are not there. The names are those that episodes list ("a mug 2").
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence

from agents.rendering import Part, Renderer
from agents.training.sequences import Example, Grower, Tree, spans_of

INSTRUCTIONS = "Find things."
NONE = "none"
BRANCHES = 8  # questions a tree
LISTED = re.compile(r"\ban? ([a-z]+) (\d+)\b")


def listed_names(texts: Iterable[str]) -> list[str]:
    """The names that texts list with a number, sorted."""
    return sorted({name for text in texts for name, _ in LISTED.findall(text)})


def drill(names: Sequence[str], renderer: Renderer, seed: str) -> Tree:
    """A tree of `BRANCHES` questions of one sort, the same for the same seed.

    Examples are of kind "present", "absent" or "copied", and their ids are the seed. `names` are
    4 at least.
    """
    dice = random.Random(seed)
    make = dice.choice([_wanted_then_lists, _list_then_wanted, _where, _again])
    root, branches = make(names, dice)
    framing, grower = renderer.framing, Grower()
    head = [
        Part("frame", framing.head),
        Part("instructions", INSTRUCTIONS),
        Part("frame", framing.start),
        Part("observation", root),
    ]
    node = grower.add(None, [i for piece in renderer.pieces(head) for i in piece.ids])
    for question, answer in branches:
        asked = [Part("observation", question), Part("frame", framing.to_assistant)]
        child = grower.add(node, [i for piece in renderer.pieces(asked) for i in piece.ids])
        # "the mug 2": behind a space, a name is the token that it is in lists.
        words = answer if answer == NONE else f"the {answer}"
        reply = renderer.pieces([Part("thought", words), Part("frame", framing.to_user)])
        start = len(grower.ids)
        grower.add(child, [i for piece in reply for i in piece.ids])
        kind = "absent" if answer == NONE else "copied" if make is _again else "present"
        grower.learn(Example(seed, "drill", kind, spans_of(reply[:1], start)))
    return grower.tree()


Drill = tuple[str, list[tuple[str, str]]]


def _wanted_then_lists(names: Sequence[str], dice: random.Random) -> Drill:
    """As in a task: what is wanted is said once, far ahead of the lists."""
    wanted = dice.choice(names)
    others = [name for name in names if name != wanted]
    crowd = _listing(_things(others, dice, dice.randrange(0, 25)), "You are in a room.")
    branches = []
    for _ in range(BRANCHES):
        things = _things(others, dice, dice.randrange(0, 8))
        answer = NONE
        if dice.random() < 0.5:
            answer = f"{wanted} {dice.randrange(1, 10)}"
            things.insert(dice.randrange(len(things) + 1), answer)
        branches.append((f"\n\n{_on(dice.choice(others), dice, things)}", answer))
    return f"{crowd}\n\nFind a {wanted}.", branches


def _list_then_wanted(names: Sequence[str], dice: random.Random) -> Drill:
    things = _things(names, dice, dice.randrange(3, 12))
    branches = []
    for _ in range(BRANCHES):
        here = dice.choice(things)
        absent = [name for name in names if all(t.rpartition(" ")[0] != name for t in things)]
        asked, answer = here.rpartition(" ")[0], here
        if absent and dice.random() < 0.5:
            asked, answer = dice.choice(absent), NONE
        branches.append((f"\n\nIs there a {asked}?", answer))
    return _on(dice.choice(names), dice, things), branches


def _where(names: Sequence[str], dice: random.Random) -> Drill:
    places = _things(names, dice, dice.randrange(2, 5))
    things = _things(names, dice, 4 * len(places))
    inside = {place: things[number :: len(places)] for number, place in enumerate(places)}
    texts = [_listing(held, f"On the {place},") for place, held in inside.items()]
    branches = []
    for _ in range(BRANCHES):
        place = dice.choice(places)
        if inside[place]:
            branches.append((f"\n\nWhere is the {dice.choice(inside[place])}?", place))
    return " ".join(texts), branches


def _again(names: Sequence[str], dice: random.Random) -> Drill:
    """Say the rest of a list again: each token is found by the one before it.

    Dense practice in the step that all look-ups share, which is slow to appear from them alone.
    """
    things = _things(names, dice, dice.randrange(4, 12))
    branches = []
    for _ in range(2):
        start = dice.randrange(len(things) - 1)
        rest = ", the ".join(things[start + 1 :])
        branches.append((f"\n\nWhat follows the {things[start]}?", rest))
    return _on(dice.choice(names), dice, things), branches


def _things(names: Sequence[str], dice: random.Random, count: int) -> list[str]:
    """At most `count` things of different names, numbered."""
    chosen = dice.sample(names, min(count, len(names)))
    return [f"{name} {dice.randrange(1, 10)}" for name in chosen]


def _on(place: str, dice: random.Random, things: Sequence[str]) -> str:
    return _listing(things, f"On the {place} {dice.randrange(1, 10)},")


def _listing(things: Sequence[str], start: str) -> str:
    if not things:
        return f"{start} you see nothing."
    *most, last = [f"a {thing}" for thing in things]
    return f"{start} you see {', '.join([*most, f'and {last}' if most else last])}."

"""Look-up drills for a model that starts from nothing: is it in this list, which one, where.

A pretrained model finds a name in a text; one trained on a few million tokens of episodes does
not, since few of their tokens depend on it. These drills ask for little else, half of them about
things that are not there. The names are those that episodes list ("a mug 2").

Looking up rests on one step, finding where a token stood before (Olsson et al., arXiv 2209.11895),
which appears all at once, after a plateau. `echo` asks for nothing else, and of any token: over
names alone the plateau is longer, for guessing some name of the list then pays nearly as well.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence

from cotgap.agents.rendering import Part, Renderer
from cotgap.agents.training.masking import Span
from cotgap.agents.training.sequences import Example, Grower, Tree, spans_of

INSTRUCTIONS = "Find things."
NONE = "nothing"  # a word that lists use
NUMBERS = range(1, 41)  # many, so that guessing one is not worth much
ECHOED = (8, 20)  # tokens of an echo, from and below
BRANCHES = 8  # questions a tree at most
LISTED = re.compile(r"\ban? ([a-z]+) (\d+)\b")
# A reply in parts: text and the kind of its example, "" for text that is given.
Reply = list[tuple[str, str]]
Drill = tuple[str, list[tuple[str, Reply]]]


def listed_names(texts: Iterable[str]) -> list[str]:
    """The names that texts list with a number, sorted."""
    return sorted({name for text in texts for name, _ in LISTED.findall(text)})


def drill(names: Sequence[str], renderer: Renderer, seed: str) -> Tree:
    """A tree of questions of one sort, the same for the same seed.

    Examples are of kind "present", "absent" or "copied", and their ids are the seed. `names` are
    4 at least.
    """
    dice = random.Random(seed)
    make = dice.choice([_asked, _again, _wanted_then_lists, _list_then_wanted, _where])
    root, branches = make(names, dice)
    framing, grower = renderer.framing, Grower()
    head = [
        Part("frame", framing.head),
        Part("instructions", INSTRUCTIONS),
        Part("frame", framing.start),
        Part("observation", root),
    ]
    node = grower.add(None, [i for piece in renderer.pieces(head) for i in piece.ids])
    for question, reply in branches:
        asked = [Part("observation", question), Part("frame", framing.to_assistant)]
        child = grower.add(node, [i for piece in renderer.pieces(asked) for i in piece.ids])
        pieces = renderer.pieces([Part("thought", text) for text, _ in reply])
        spans = spans_of(pieces, len(grower.ids))
        grower.add(child, [i for piece in pieces for i in piece.ids])
        for span, (_, kind) in zip(spans, reply, strict=True):
            if kind:
                grower.learn(Example(seed, "drill", kind, (span,)))
    return grower.tree()


def echo(renderer: Renderer, seed: str) -> Tree:
    """Random tokens of the whole vocabulary, then the same from another one on, going around.

    No two are the same, so that what follows is known from the first repeated one on, but for
    where it goes around. The examples are of kind "copied", one a token.
    """
    dice = random.Random(f"echo|{seed}")
    special = set(renderer.tokenizer.all_special_ids)
    known = [token for token in range(len(renderer.tokenizer)) if token not in special]
    tokens = dice.sample(known, dice.randrange(*ECHOED))
    start = dice.randrange(len(tokens))
    grower = Grower()
    grower.add(None, [*tokens, *tokens[start:], *tokens[:start]])
    around = 2 * len(tokens) - start
    for at in {*range(len(tokens) + 1, 2 * len(tokens))} - {around}:
        grower.learn(Example(seed, "drill", "copied", (Span("thought", at, at + 1),)))
    return grower.tree()


def _asked(names: Sequence[str], dice: random.Random) -> Drill:
    """Many names, each answered by its number in the list or by `NONE`."""
    things = _things(names, dice, dice.randrange(2, 12))
    numbers = dict(thing.split(" ") for thing in things)
    absent = [name for name in names if name not in numbers]
    asked = [*numbers, *dice.sample(absent, min(len(things), len(absent)))]
    dice.shuffle(asked)
    reply = []
    for name in asked:
        number = numbers.get(name)
        reply += [(f", a {name}", ""), (f" {number or NONE}", "present" if number else "absent")]
    return _on(dice.choice(names), dice, things), [("\n\nWhat is there?", reply)]


def _again(names: Sequence[str], dice: random.Random) -> Drill:
    """Names alone, then the same once more from another place on: each is found by the last."""
    things = dice.sample(names, min(dice.randrange(6, 20), len(names)))
    start = dice.randrange(len(things))
    again = [*things[start:], *things[:start]]
    rest = [(f" {thing}", "copied") for thing in again[1:]]
    return f"You see {' '.join(things)}.", [("\n\nGo on.", [(f" {again[0]}", ""), *rest])]


def _wanted_then_lists(names: Sequence[str], dice: random.Random) -> Drill:
    """As in a task: what is wanted is said once, far ahead of the lists."""
    wanted = dice.choice(names)
    others = [name for name in names if name != wanted]
    crowd = _listing(_things(others, dice, dice.randrange(0, 16)), "You are in a room.")
    branches = []
    for _ in range(BRANCHES):
        things = _things(others, dice, dice.randrange(0, 6))
        answer = None
        if dice.random() < 0.5:
            answer = f"{wanted} {dice.choice(NUMBERS)}"
            things.insert(dice.randrange(len(things) + 1), answer)
        branches.append((f"\n\n{_on(dice.choice(others), dice, things)}", _answer(answer)))
    return f"{crowd}\n\nFind a {wanted}.", branches


def _list_then_wanted(names: Sequence[str], dice: random.Random) -> Drill:
    things = _things(names, dice, dice.randrange(3, 12))
    found = dict(thing.split(" ") for thing in things)
    absent = [name for name in names if name not in found]
    asked = dice.sample(things, min(BRANCHES // 2, len(things)))
    branches = [(f"\n\nFind a {thing.split(' ')[0]}.", _answer(thing)) for thing in asked]
    for name in dice.sample(absent, min(len(asked), len(absent))):
        branches.append((f"\n\nFind a {name}.", _answer(None)))
    return _on(dice.choice(names), dice, things), branches


def _where(names: Sequence[str], dice: random.Random) -> Drill:
    places = _things(names, dice, dice.randrange(2, 5))
    things = _things(names, dice, 3 * len(places))
    inside = {place: things[number :: len(places)] for number, place in enumerate(places)}
    texts = [_listing(held, f"On the {place},") for place, held in inside.items()]
    pairs = [(thing, place) for place, held in inside.items() for thing in held]
    asked = dice.sample(pairs, min(BRANCHES, len(pairs)))
    return " ".join(texts), [(f"\n\nFind the {t}.", _answer(place)) for t, place in asked]


def _answer(found: str | None) -> Reply:
    # Behind a space, a name is the token that it is in lists.
    return [(f" {found}", "present") if found else (f" {NONE}", "absent")]


def _things(names: Sequence[str], dice: random.Random, count: int) -> list[str]:
    """At most `count` things of different names, numbered."""
    chosen = dice.sample(names, min(count, len(names)))
    return [f"{name} {dice.choice(NUMBERS)}" for name in chosen]


def _on(place: str, dice: random.Random, things: Sequence[str]) -> str:
    return _listing(things, f"On the {place} {dice.choice(NUMBERS)},")


def _listing(things: Sequence[str], start: str) -> str:
    if not things:
        return f"{start} you see nothing."
    *most, last = [f"a {thing}" for thing in things]
    return f"{start} you see {', '.join([*most, f'and {last}' if most else last])}."

"""Draws TextWorld's panels: finds the seeds of their games.

A panel's nth game of a kind has the settings of its plan. Its seed is the first one after the last
game's seed whose game holds out what the panel's axis says, and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import typer

from cotgap.envs.core import Task
from cotgap.envs.textworld.making import MAKERS, Made, Spec, make
from cotgap.envs.textworld.panels import GAMES, PLANS, Listed
from cotgap.envs.textworld.suite import SUITE
from tools.cli import need, run

app = typer.Typer(add_completion=False)

# Goals end with one of these in every panel but `ood_goal`, and with none of them there.
FAMILIAR_ENDS = frozenset({"take", "put", "eat"})
# Foods that in-domain games of the kind `simple` hold too.
SHARED = frozenset({"milk", "lettuce"})
SIMPLE_TEST_FOODS = frozenset({"garlic", "kiwi"})  # its third, the carrot, is an ingredient


@app.command(epilog="Example: `python -m tools.textworld`")
def main() -> None:
    """Draw the panels again and write their list; no number stays comparable."""
    need(SUITE)
    with GAMES.open("w", encoding="ascii", newline="\n") as file:
        for split, plan in PLANS.items():
            for kind in plan.kinds:
                for game in draw(split, kind):
                    print(format_line(game), file=file, flush=True)
                print(f"{split}: {kind}")


def format_line(game: Listed) -> str:
    """A game's line in `games.tsv`."""
    settings = json.dumps(game.spec.settings, sort_keys=True, separators=(",", ":"))
    task, spec = game.task, game.spec
    cells = (game.split, task.id, spec.kind, spec.seed, settings, game.max_score, game.walkthrough)
    return "\t".join(map(str, (*cells, task.content)))


def draw(split: str, kind: str) -> Iterator[Listed]:
    """The games of one kind of a panel."""
    count, settings = PLANS[split].kinds[kind]
    # The ranges are far apart, so that no two panels or kinds share a seed.
    seed = 1_000_000 * (1 + list(PLANS).index(split)) + 100_000 * list(MAKERS).index(kind)
    seen: set[str] = set()
    for n in range(count):
        while True:
            spec, seed = Spec(kind, seed, settings(n)), seed + 1
            made = _try(spec)
            if made and fits(split, kind, made) and made.content not in seen:
                break
        seen.add(made.content)
        task = Task(f"{kind}-{n:03d}", made.content, kind)
        yield Listed(split, task, spec, made.max_score, len(made.walkthrough))


def fits(split: str, kind: str, made: Made) -> bool:
    """Whether a game belongs to a panel."""
    names = {info["name"] for _, info in made.data["infos"]}
    ingredients = made.data["metadata"].get("ingredients", [])
    if any(cooking == "grilled" for _, cooking, _ in ingredients):
        return False  # only worlds of more than 6 rooms have something to grill with
    if split == "ood_ingredient":
        wanted = {name for name, *_ in ingredients} or names & SIMPLE_TEST_FOODS
        if not wanted or wanted - unseen_foods():
            return False
    elif names & unseen_foods():
        return False
    familiar = made.walkthrough[-1].split()[0] in FAMILIAR_ENDS
    return familiar == (split != "ood_goal")


def unseen_foods() -> frozenset[str]:
    """The foods that only `ood_ingredient` holds."""
    from textworld.challenges.tw_cooking.cooking import FOODS_SPLITS

    held_out = {*FOODS_SPLITS["valid"], *FOODS_SPLITS["test"]}
    return (frozenset(held_out) - SHARED) | SIMPLE_TEST_FOODS


def _try(spec: Spec) -> Made | None:
    """The game, or None where TextWorld finds none for this seed."""
    try:
        return make(spec)
    except Exception:
        # TextWorld's generators give up in many ways (no quest, no room left, a name too many).
        return None


if __name__ == "__main__":
    run(app)

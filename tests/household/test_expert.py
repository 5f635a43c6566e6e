"""The belief against the world, the expert on real games, and what rationales may say."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotgap.envs.household import WORDINGS, Game, World, cached_game, load_game
from cotgap.envs.household.belief import (
    Belief,
    Command,
    Task,
    first_belief,
    parse_command,
    parse_task,
    spell,
    updated,
)
from cotgap.envs.household.expert import choose, expert_action
from cotgap.envs.household.habits import class_of, habits
from cotgap.envs.household.oracle import cost_to_go
from cotgap.envs.household.rationale import rationale
from tests.household.houses import GOALS, made, random_house
from tools.household.expert import play
from tools.household.habits import count

PANELS = ("valid_seen", "valid_unseen")
KINDS = {
    "look_at_obj_in_light": "look",
    "pick_and_place_simple": "place",
    "pick_clean_then_place_in_recep": "clean",
    "pick_cool_then_place_in_recep": "cool",
    "pick_heat_then_place_in_recep": "heat",
    "pick_two_obj_and_place": "two",
}


def panel_games(data: Path, step: int, wording: str = "file") -> Iterator[tuple[Path, Game]]:
    for split in PANELS:
        for path in sorted((data / "json_2.1.1" / split).glob("*/*/game.tw-pddl"))[::step]:
            yield path, cached_game(path, wording)


def some_command(world: World, dice: random.Random) -> str:
    """A random command: mostly valid, often one that changes something."""
    commands = world.admissible()
    changing = [c for c in commands if not re.match("go to|look|inventory|help|examine", c)]
    if changing and dice.random() < 0.5:
        return dice.choice(changing)
    if dice.random() < 0.15:
        return dice.choice(
            [
                f"go to {dice.choice(world.game.receptacle_names)}",
                f"open {dice.choice(world.game.receptacle_names)}",
                f"take {dice.choice(world.game.object_names)} from "
                f"{dice.choice(world.game.receptacle_names)}",
                "take a nap",
            ]
        )
    return dice.choice(commands)


def assert_true(belief: Belief, world: World) -> None:
    """Nothing that is believed may be false in the world."""
    game = world.game
    receptacles = {name: r for r, name in enumerate(game.receptacle_names)}

    def inside(place: str) -> list[str]:
        return [game.object_names[o] for o in world.contents[receptacles[place]]]

    assert belief.holding == (None if world.held is None else game.object_names[world.held])
    for place, things in belief.contents.items():
        assert set(things) <= set(inside(place))
        assert place not in belief.looked or set(things) == set(inside(place))
    for place, closed in belief.closed.items():
        assert closed is not world.visible(receptacles[place])
    where = {place: game.receptacle_location[receptacles[place]] for place in belief.sites}
    for one, first in belief.sites.items():
        for other, second in belief.sites.items():
            if first == second:
                assert where[one] == where[other]
        assert belief.is_here(one) <= (where[one] == world.location)
    masks = {"clean": world.clean, "heat": world.hot, "cool": world.cool}
    for o, name in enumerate(game.object_names):
        for verb in belief.treated.get(name, ()):
            assert masks[verb] >> o & 1
        assert name not in belief.used or world.toggled >> o & 1


@pytest.mark.parametrize("wording", WORDINGS)
def test_belief_is_true(alfworld_data: Path, wording: str) -> None:
    for number, (_, game) in enumerate(panel_games(alfworld_data, 9, wording)):
        dice = random.Random(number)
        world = World(game)
        belief = first_belief(game.wording, world.reset())
        receptacles = game.receptacle_names, game.receptacle_location
        placed = [n for n, at in zip(*receptacles, strict=True) if at >= 0]
        assert sorted(belief.receptacles) == sorted(placed)
        assert belief.sentence == game.task.rstrip(".")
        for _ in range(60):
            command = some_command(world, dice)
            belief = updated(belief, command, world.step(command))
            assert_true(belief, world)


@pytest.mark.parametrize("goal", GOALS)
def test_belief_is_true_in_odd_houses(goal: str) -> None:
    """With agents that start at a receptacle, things in two places, lids anywhere."""
    for seed in range(15):
        dice = random.Random(f"{goal}{seed}")
        world = World(random_house(goal, dice))
        belief = first_belief(world.game.wording, world.reset())
        assert_true(belief, world)
        for _ in range(60):
            command = some_command(world, dice)
            belief = updated(belief, command, world.step(command))
            assert_true(belief, world)


def test_learns_which_receptacles_share_a_site() -> None:
    world = World(shared_site())
    belief = first_belief(world.game.wording, world.reset())
    for command in ("go to shelf 1", "go to desk 1"):
        belief = updated(belief, command, world.step(command))
    assert belief.is_here("desk 1")
    assert "desk 1" not in belief.looked
    assert choose(belief).command == Command("examine", "desk 1")


def shared_site() -> Game:
    return made(
        [
            "atLocation agent1 loc_bar_0",
            "canContain DeskType MugType",
            "receptacleType Desk_bar_0 DeskType",
            "receptacleAtLocation Desk_bar_0 loc_bar_1",
            "receptacleType Shelf_bar_1 ShelfType",
            "receptacleAtLocation Shelf_bar_1 loc_bar_1",
            "objectType Mug_bar_0 MugType",
            "inReceptacle Mug_bar_0 Desk_bar_0",
            "pickupable Mug_bar_0",
        ],
        GOALS["place"],
        "put a mug in shelf.",
    )


@pytest.mark.parametrize(
    ("sentence", "task"),
    [
        ("put a mug in desk.", Task("place", "mug", "desk")),
        ("put some pencil on dresser.", Task("place", "pencil", "dresser")),
        ("put a clean pan in countertop.", Task("clean", "pan", "countertop")),
        ("clean some pan and put it in countertop.", Task("clean", "pan", "countertop")),
        ("put a hot egg in fridge.", Task("heat", "egg", "fridge")),
        ("heat some egg and put it in fridge.", Task("heat", "egg", "fridge")),
        ("put a cool pot in shelf.", Task("cool", "pot", "shelf")),
        ("cool some pot and put it in shelf.", Task("cool", "pot", "shelf")),
        ("put two cd in safe.", Task("two", "cd", "safe")),
        ("find two cd and put them in safe.", Task("two", "cd", "safe")),
        ("look at book under the desklamp.", Task("look", "book", "desklamp")),
        ("examine the book with the desklamp.", Task("look", "book", "desklamp")),
        ("tidy up.", None),
        ("", None),
    ],
)
def test_task_sentences(sentence: str, task: Task | None) -> None:
    assert parse_task(sentence) == task


def test_task_sentences_of_the_panels(alfworld_data: Path) -> None:
    for path, game in panel_games(alfworld_data, 1):
        kind, thing, _, place, _ = path.parts[-3].split("-")
        task = parse_task(game.task)
        assert task is not None
        assert (task.kind, task.thing) == (KINDS[kind], thing.lower())
        assert task.place == ("desklamp" if kind.startswith("look") else place.lower())


@pytest.mark.parametrize("wording", WORDINGS)
def test_commands_are_read_as_they_are_meant(alfworld_data: Path, wording: str) -> None:
    for number, (_, game) in enumerate(panel_games(alfworld_data, 30, wording)):
        dice, world = random.Random(number), World(game)
        for _ in range(25):
            for command, action in world.actions().items():
                parsed = parse_command(game.wording, command)
                assert parsed is not None
                assert parsed.verb == action.verb
                assert spell(game.wording, parsed) == command
            world.step(dice.choice(world.admissible()))


def test_wins_every_game_of_the_panels(alfworld_data: Path) -> None:
    steps: Counter[str] = Counter()
    for path, game in panel_games(alfworld_data, 1):
        won, used = play(game)
        assert won, path
        steps[path.parts[-4]] += used
    assert steps["valid_seen"] / 140 < 7.0
    assert steps["valid_unseen"] / 134 < 8.0


@pytest.mark.parametrize("wording", ["older", "package"])
def test_wins_in_other_wordings(alfworld_data: Path, wording: str) -> None:
    for path, game in panel_games(alfworld_data, 6, wording):
        assert play(game)[0], path


def test_wins_after_any_commands(alfworld_data: Path) -> None:
    """From wherever random commands led, unless the oracle says that there is no way."""
    lost = 0
    for number, (path, game) in enumerate(panel_games(alfworld_data, 3)):
        dice, world = random.Random(number), World(game)
        belief = first_belief(game.wording, world.reset())
        for _ in range(dice.randrange(5, 80)):
            command = some_command(world, dice)
            belief = updated(belief, command, world.step(command))
        if cost_to_go(world) is None:
            lost += 1
            continue
        for _ in range(50):
            if world.won:
                break
            command = expert_action(belief)
            belief = updated(belief, command, world.step(command))
        assert world.won, path
    assert lost < 10


def test_wins_under_noise(alfworld_data: Path) -> None:
    results = [
        play(game, noise=0.15, seed=number)[0]
        for number, (_, game) in enumerate(panel_games(alfworld_data, 2))
    ]
    assert sum(results) >= 0.98 * len(results)


def test_never_raises_on_any_text() -> None:
    world = World(shared_site())

    @settings(max_examples=200, deadline=None)
    @given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=80))
    def check(text: str, command: str, feedback: str) -> None:
        words = world.game.wording
        for belief in (first_belief(words, text), first_belief(words, world.reset())):
            later = updated(updated(belief, command, feedback), f"take {command} from x", feedback)
            assert expert_action(later)
            assert rationale(later, command)

    check()


def test_looks_around_where_it_knows_nothing_better() -> None:
    words = WORDINGS["current"]
    assert expert_action(first_belief(words, "gibberish")) == "look"
    text = words.intro_reply.format(
        look=words.middle_reply.format(things="a desk 1"),
        task=words.task_reply.format(task="tidy up."),
    )
    belief = first_belief(words, text)
    assert belief.receptacles == ("desk 1",)
    assert belief.sentence == "tidy up"
    assert expert_action(belief) == "look"
    assert "tidy up" in rationale(belief, "look")


def test_rationales(alfworld_data: Path) -> None:
    """Short, about the task, of a fixed but varied wording, and true."""
    texts: dict[str, Counter[str]] = {"own": Counter(), "other": Counter()}
    for number, (_, game) in enumerate(panel_games(alfworld_data, 12)):
        dice, world = random.Random(number), World(game)
        belief = first_belief(game.wording, world.reset())
        assert belief.task is not None
        for _ in range(25):
            own = expert_action(belief)
            for command in {own, *dice.sample(world.admissible(), k=5)}:
                text = rationale(belief, command)
                assert text == rationale(belief, command)
                assert len(re.findall(r"\w[.!?](?=\s|$)", text)) in (1, 2), text
                assert len(text) < 250
                assert belief.task.thing.rstrip("fe") in text
                assert not re.search(r"[<>{}]", text)
                texts["own" if command == own else "other"][re.sub(r"\d+", "#", text)] += 1
                for kind, place in re.findall(r"There is no (\w+) \w+ the (\w+ \d+)\.", text):
                    r = game.receptacle_names.index(place)
                    inside = [game.object_names[o] for o in world.contents[r]]
                    assert kind not in map(class_of, inside)
                claim = r"(?:is|remember) the (\w+ \d+),? \w+ the (\w+ \d+)"
                for thing, place in re.findall(claim, text):
                    r = game.receptacle_names.index(place)
                    assert game.object_names.index(thing) in world.contents[r]
                for thing in re.findall(r"(?:I hold|I have|With) the (\w+ \d+)", text):
                    assert belief.holding == thing
            command = own if dice.random() < 0.7 else some_command(world, dice)
            belief = updated(belief, command, world.step(command))
    assert len(texts["own"]) > 60
    assert len(texts["other"]) > 200


@pytest.mark.parametrize(
    "action",
    ["", "  \n", "<think>", "</action> <action>", "go to <action>", "x" * 500, "dance {goal} %s"],
)
def test_rationale_for_odd_text(action: str) -> None:
    world = World(shared_site())
    text = rationale(first_belief(world.game.wording, world.reset()), action)
    assert "mug" in text
    assert "<" not in text
    assert ">" not in text
    assert len(text) < 250


def test_rationale_names_what_it_argues_for() -> None:
    world = World(shared_site())
    belief = first_belief(world.game.wording, world.reset())
    for name in ("shelf 1", "desk 1"):
        assert name in rationale(belief, f"go to {name}")
    assert "sing a song" in rationale(belief, "sing a song")
    assert "spoon 2" in rationale(belief, "take spoon 2 from desk 1")


def test_habits_are_those_of_the_training_games(alfworld_data: Path) -> None:
    paths = sorted((alfworld_data / "json_2.1.1" / "train").glob("*/*/game.tw-pddl"))[::8]
    sample = count(map(load_game, paths))
    errors = [
        abs(share - habits().found[thing][place])
        for thing, places in sample.found.items()
        for place, share in places.items()
    ]
    assert sum(errors) / len(errors) < 0.05
    assert set(sample.openable) == set(habits().openable)
    for place, things in sample.fits.items():
        assert set(things) <= set(habits().fits[place])

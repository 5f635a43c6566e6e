"""What the engine does, pinned fact by fact; `test_parity` compares it with the stock one."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotgap.envs.household import WORDINGS, World
from tests.household.kitchen import TASK, WALKTHROUGH, kitchen, play, refused


@pytest.fixture
def world() -> World:
    return World(kitchen())


def test_reset_lists_all_placed_receptacles_in_the_order_of_their_ids(world: World) -> None:
    # "minus" sorts before "plus" and numbers count down; the shelf is nowhere; "basin" anywhere in
    # an id makes another class.
    assert world.reset() == (
        "-= Welcome to TextWorld, ALFRED! =-\n\n"
        "You are in the middle of a room. Looking quickly around you, you see a cabinet 2, "
        "a cabinet 1, a countertop 2, a countertop 1, a fridge 1, a microwave 1, a sinkbasin 1, "
        "and a sink 1.\n\n"
        f"Your task is to: {TASK}"
    )
    assert world.game.receptacle_names[-3:] == ("shelf 1", "sinkbasin 1", "sink 1")
    assert world.game.object_names[:3] == ("apple 3", "apple 2", "apple 1")


def test_numbering_counts_down_over_the_mentioned_ids_only(world: World) -> None:
    # "Apple" and "Mug" are declared without any fact: they have no name at all.
    assert "apple " not in world.game.object_names
    assert "plate " in world.game.object_names
    assert set(world.game.location_names) == {f"loc {n}" for n in range(1, 7)}


def test_look_at_the_start_sees_nothing(world: World) -> None:
    assert play(world, "look") == (
        "You are in the middle of a room. Looking quickly around you, you see nothing."
    )


def test_admissible_commands_at_the_start(world: World) -> None:
    places = "cabinet 1|cabinet 2|countertop 1|countertop 2|fridge 1|microwave 1|sink 1|sinkbasin 1"
    expected = [f"go to {name}" for name in places.split("|")] + ["help", "inventory", "look"]
    assert world.admissible() == expected
    assert world.admissible() is not world.admissible()


def test_receptacles_that_share_a_location_are_usable_but_cannot_be_gone_to(world: World) -> None:
    play(world, "go to cabinet 1")
    refused(world, ["go to cabinet 1", "go to cabinet 2", "go to countertop 1"])
    assert play(world, "examine cabinet 2").startswith("The cabinet 2 is open. In it, you see")
    assert play(world, "examine countertop 1").startswith("On the countertop 1, you see a apple 2,")
    assert play(world, "open cabinet 1") == (
        "You open the cabinet 1. The cabinet 1 is open. In it, you see a mug 1."
    )
    assert play(world, "look") == (
        "You are facing the cabinet 2, cabinet 1, and countertop 1. Next to it, you see nothing."
    )


def test_arrival_describes_the_receptacle_gone_to(world: World) -> None:
    assert play(world, "go to fridge 1") == "You arrive at fridge 1. The fridge 1 is closed."
    assert play(world, "go to countertop 2") == (
        "You arrive at countertop 2. On the countertop 2, you see a bowl 1, a butterknife 1, "
        "a desklamp 1, and a plate ."
    )
    assert play(world, "go to sink 1") == "You arrive at sink 1. On the sink 1, you see nothing."


def test_a_name_without_number_ends_in_a_space_and_cannot_be_reached(world: World) -> None:
    play(world, "go to countertop 2")
    assert "take plate  from countertop 2" in world.admissible()
    assert play(world, "take plate  from countertop 2") == (
        "You pick up the plate  from the countertop 2."
    )
    # The command is "examine plate ", but a command's outer white space is stripped.
    assert "examine plate " in world.admissible()
    refused(world, ["examine plate ", "examine plate"])


def test_an_object_in_two_receptacles_is_taken_from_one(world: World) -> None:
    play(world, "go to cabinet 1", "open cabinet 1", "take mug 1 from cabinet 1")
    assert play(world, "examine cabinet 1") == "The cabinet 1 is open. In it, you see nothing."
    assert "a mug 1" in play(world, "examine countertop 1")
    refused(world, ["take mug 1 from countertop 1"])
    assert play(world, "inventory") == "You are carrying: a mug 1."


def test_a_game_can_be_won_while_the_object_is_held_and_then_lost_again(world: World) -> None:
    play(world, *WALKTHROUGH[:4])
    assert not world.won
    play(world, WALKTHROUGH[4])
    assert world.won
    assert world.score == 1
    assert world.held is not None
    play(world, "move mug 1 to sinkbasin 1", "go to countertop 1", "take mug 1 from countertop 1")
    assert not world.won
    assert world.score == 0


def test_pickup_clears_the_location_for_slicing_only_here(world: World) -> None:
    knife = ("go to countertop 1", "take knife 1 from countertop 1")
    play(world, *knife)
    assert "slice apple 1 with knife 1" in world.admissible()
    # Apple 3 is on a shelf that is nowhere, but lies at this location and at another.
    assert play(world, "slice apple 3 with knife 1") == "You sliced the apple 3 with the knife 1."
    refused(world, ["slice apple 2 with knife 1", "slice mug 1 with knife 1"])
    play(world, "go to countertop 2", "slice apple 3 with knife 1")


def test_slicing_needs_a_held_knife_and_a_lying_thing_but_no_open_receptacle(world: World) -> None:
    play(world, "go to countertop 2", "take butterknife 1 from countertop 2", "go to fridge 1")
    play(world, "slice potato 1 with butterknife 1")
    play(world, "go to countertop 2", "move butterknife 1 to countertop 2")
    refused(world, ["slice apple 3 with butterknife 1"])


def test_only_the_held_object_can_be_examined(world: World) -> None:
    play(world, "go to countertop 1")
    refused(world, ["examine apple 1", "examine mug 1"])
    play(world, "take apple 1 from countertop 1")
    assert play(world, "examine apple 1") == "There's nothing special about apple 1."
    play(world, "go to sinkbasin 1")
    assert play(world, "examine apple 1") == "There's nothing special about apple 1."


@pytest.mark.parametrize(
    ("does", "sentence"),
    [
        ("clean", "This is a clean apple 1."),
        ("heat", "This is a hot apple 1."),
        ("cool", "This is a cold apple 1."),
        ("slice", "This is a sliced apple 1."),
        ("heat cool", "This is a cold apple 1."),
        ("cool heat", "This is a hot apple 1."),
        ("clean heat", "This is a hot and clean apple 1."),
        ("cool clean", "This is a cool and clean apple 1."),
        ("slice clean", "This is a clean sliced apple 1."),
        ("slice heat", "This is a hot sliced apple 1."),
        ("slice cool", "This is a cool sliced apple 1."),
        ("slice heat clean", "This is a hot and clean sliced apple 1."),
        ("slice clean cool", "This is a cool and clean sliced apple 1."),
    ],
)
def test_examining_tells_what_was_done(world: World, does: str, sentence: str) -> None:
    taken = ["go to countertop 1", "take apple 1 from countertop 1"]
    scripts = {
        "clean": ["go to sinkbasin 1", "clean apple 1 with sinkbasin 1"],
        "heat": ["go to microwave 1", "heat apple 1 with microwave 1"],
        "cool": ["go to fridge 1", "cool apple 1 with fridge 1"],
        "slice": [
            "move apple 1 to countertop 1",
            "take knife 1 from countertop 1",
            "slice apple 1 with knife 1",
            "move knife 1 to countertop 1",
            "take apple 1 from countertop 1",
        ],
    }
    play(world, *taken, *[command for word in does.split() for command in scripts[word]])
    assert play(world, "examine apple 1") == sentence


def test_a_holder_tells_what_it_held_at_the_start(world: World) -> None:
    play(world, "go to countertop 2", "take bowl 1 from countertop 2")
    assert play(world, "examine bowl 1") == (
        "This is a normal bowl 1. In it, you see a apple 3, and a mug 1."
    )


def test_appliances_work_closed_and_again_and_clear_each_other(world: World) -> None:
    play(world, "go to countertop 1", "take apple 1 from countertop 1", "go to microwave 1")
    for _ in range(2):
        reply = play(world, "heat apple 1 with microwave 1")
        assert reply == "You heat the apple 1 using the microwave 1."
    assert world.hot
    potato = 1 << world.game.object_names.index("potato 1")
    assert world.cool == potato  # cool from the start
    assert play(world, "go to fridge 1", "cool apple 1 with fridge 1") == (
        "You cool the apple 1 using the fridge 1."
    )
    assert not world.hot
    refused(world, ["heat apple 1 with microwave 1", "move apple 1 to fridge 1"])
    play(world, "open fridge 1", "cool apple 1 with fridge 1", "move apple 1 to fridge 1")
    play(
        world, "take potato 1 from fridge 1", "go to microwave 1", "heat potato 1 with microwave 1"
    )
    assert world.cool & potato == 0


def test_things_without_the_affordance_refuse(world: World) -> None:
    play(world, "go to countertop 1", "take knife 1 from countertop 1", "go to microwave 1")
    refused(world, ["heat knife 1 with microwave 1", "open sink 1", "use knife 1"])
    play(world, "go to countertop 1", "move knife 1 to countertop 1")
    refused(world, ["take apple 2 from countertop 1"])  # not pickupable


@pytest.mark.parametrize(("wording", "at_sink"), [("older", 1), ("current", 1), ("package", 0)])
def test_where_cleaning_works(wording: str, at_sink: int) -> None:
    world = World(kitchen(wording))
    play(world, "go to countertop 1", "take mug 1 from countertop 1", "go to sink 1")
    play(world, "clean mug 1 with sinkbasin 1")
    assert ("clean mug 1 with sink 1" in world.admissible()) == bool(at_sink)


def test_use_needs_presence_only_and_can_be_repeated(world: World) -> None:
    play(world, "go to countertop 2")
    for on in (True, False, True):
        assert play(world, "use desklamp 1") == "You turn on the desklamp 1."
        assert bool(world.on) is on
        assert world.toggled
    play(world, "take desklamp 1 from countertop 2")
    refused(world, ["use desklamp 1"])
    assert play(world, "examine desklamp 1") == "This desklamp 1 is on."


def test_put_needs_a_fitting_visible_receptacle_and_ignores_full(world: World) -> None:
    play(world, "go to countertop 1", "take apple 1 from countertop 1")
    refused(world, ["move apple 1 to cabinet 2", "move apple 1 to cabinet 1"])
    play(world, "move apple 1 to countertop 1", "take mug 1 from countertop 1")
    refused(world, ["move mug 1 to cabinet 1", "take apple 1 from countertop 1"])
    assert play(world, "move mug 1 to cabinet 2") == "You move the mug 1 to the cabinet 2."
    play(world, "close cabinet 2")
    refused(world, ["take mug 1 from cabinet 2", "close cabinet 2"])


def test_look_mentions_what_was_taken_here_and_lies_here(world: World) -> None:
    play(world, "go to countertop 1", "take mug 1 from countertop 1")
    assert play(world, "look").endswith("Next to it, you see nothing.")
    play(world, "move mug 1 to cabinet 2")
    assert play(world, "look").endswith("Next to it, you see a mug 1.")
    play(world, "open cabinet 1", "take mug 1 from cabinet 2", "move mug 1 to cabinet 1")
    # Once per receptacle here that it was taken from.
    assert play(world, "look").endswith("Next to it, you see a mug 1, and a mug 1.")
    play(world, "take mug 1 from cabinet 1", "move mug 1 to countertop 1")
    assert play(world, "look").endswith("Next to it, you see a mug 1, and a mug 1.")


def test_the_wordings() -> None:
    older, current = World(kitchen("older")), World(kitchen("current"))
    refused(older, ["help"])
    assert play(current, "help") == play(World(kitchen("package")), "help")
    assert play(current, "help").startswith("Available commands:\n  look:    ")
    place = older.game.location_names[older.game.receptacle_location[0]]
    arrival = play(older, "go to cabinet 2")
    assert arrival.startswith(f"You arrive at {place}. The cabinet 2 is open.")
    play(older, "take mug 2 from cabinet 2")
    refused(older, ["move mug 2 to countertop 1"])
    assert play(older, "put mug 2 in/on countertop 1") == (
        "You put the mug 2 in/on the countertop 1."
    )


@pytest.mark.parametrize("wording", WORDINGS)
def test_commands_are_reworded_both_ways(wording: str) -> None:
    written = WORDINGS["current"]
    for command in (*WALKTHROUGH, "look", "slice apple 1 with knife 1", "examine mug 1"):
        there = written.reword(command, WORDINGS[wording])
        assert WORDINGS[wording].reword(there, written) == command
    assert written.reword("sing", WORDINGS[wording]) == "sing"


def test_commands_are_stripped_and_then_matched_exactly(world: World) -> None:
    play(world, "\u3000 go to fridge 1\u2003\n", "\x1clook\x85")
    refused(
        world,
        [
            "",
            " ",
            "Look",
            "look.",
            "look look",
            "go  to sink 1",
            "go\u00a0to sink 1",
            "\u200blook",
            "go to sink 01",
            "go to {r}",
        ],
    )
    assert world.moves == 2


def test_reset_forgets_everything(world: World) -> None:
    start = world.snapshot()
    play(world, *WALKTHROUGH)
    assert world.won
    world.step("nonsense")
    world.reset()
    assert world.snapshot() == start


def test_worlds_and_games_can_be_pickled(world: World) -> None:
    play(world, *WALKTHROUGH[:5])
    other = pickle.loads(pickle.dumps(world))
    assert other.snapshot() == world.snapshot()
    play(other, *WALKTHROUGH[5:])
    assert other.won


@given(st.lists(st.text()))
def test_no_command_raises(commands: list[str]) -> None:
    world = World(kitchen())
    for command in commands:
        valid = command.strip() in world.admissible()
        feedback = world.step(command)
        assert world.last_valid is valid
        assert feedback
        assert valid or feedback == "Nothing happens."


@given(st.data(), st.sampled_from(sorted(WORDINGS)))
def test_snapshots_bring_back_the_state(data: st.DataObject, wording: str) -> None:
    world = World(kitchen(wording))

    def walk(label: str) -> list[str]:
        told = []
        for number in data.draw(st.lists(st.integers(0, 10_000), max_size=15), label=label):
            admissible = world.admissible()
            told.append(world.step(admissible[number % len(admissible)]))
        return told

    walk("before")
    snapshot, admissible = world.snapshot(), world.admissible()
    facts = (world.won, world.score, world.moves, world.location, world.held, world.contents)
    walk("after")
    world.restore(snapshot)
    assert world.snapshot() == snapshot
    assert world.admissible() == admissible
    assert facts == (
        world.won,
        world.score,
        world.moves,
        world.location,
        world.held,
        world.contents,
    )
    # Going on from there is the same in a fresh world.
    other = World(world.game)
    other.restore(snapshot)
    for command in world.admissible()[:5]:
        assert world.step(command) == other.step(command)


@given(st.lists(st.integers(0, 10_000), max_size=40))
def test_every_admissible_command_is_valid_and_means_what_it_says(numbers: list[int]) -> None:
    world = World(kitchen())
    for number in numbers:
        admissible = world.admissible()
        assert admissible == sorted(set(admissible))
        reachable = [command for command in admissible if command == command.strip()]
        command = reachable[number % len(reachable)]
        action = world.actions()[command]
        world.step(command)
        assert world.last_valid
        if action.verb in ("open", "close"):
            assert action.receptacle is not None
            assert world.visible(action.receptacle) == (action.verb == "open")
        assert (world.held is not None) == ("You are carrying" in world.step("inventory"))

"""TextWorld: its panels, its cache of games, and play in TextWorld's own interpreter."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import pytest

from cotgap.envs.core import SuiteUnavailableError, TaskUnavailableError
from cotgap.envs.textworld import SUITE, generation, store, suite
from cotgap.envs.textworld.env import TextWorldEnv
from cotgap.envs.textworld.generation import make_missing
from cotgap.envs.textworld.panels import PLANS, Listed, games_of, listed
from cotgap.envs.textworld.store import VERSION, games_folder, is_stored, obtain
from cotgap.envs.textworld.story import BLANK, REFUSED
from tests.commands import cotgap

ROOT = Path(__file__).parents[2]
IN_DOMAIN = ("id", "train")
CHEAP = [game for game in games_of("id") if game.task.kind == "treasure_hunter"]


@pytest.fixture
def installed() -> None:
    """Skips without TextWorld (fails in CI)."""
    now = SUITE.availability()
    if not now.usable:
        assert not os.environ.get("CI"), f"{now.reason}. Fix: {now.fix}"
        pytest.skip(f"{now.reason}. Fix: {now.fix}")


@pytest.fixture
def env(installed: None) -> Iterator[TextWorldEnv]:
    made = SUITE.make()
    yield made
    made.close()


@pytest.fixture
def folder(installed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; returns where it keeps games."""
    monkeypatch.setenv("COTGAP_CACHE", str(tmp_path))
    return games_folder()


def first(kind: str, split: str = "id", skip: int = 0) -> str:
    return [game.task.id for game in games_of(split) if game.task.kind == kind][skip]


# Panels.


def test_panels_hold_what_their_plans_say() -> None:
    for split, plan in PLANS.items():
        games = games_of(split)
        assert len(games) >= (200 if split == "train" else 100)
        for kind, (count, settings) in plan.kinds.items():
            mine = [game for game in games if game.task.kind == kind]
            assert [game.spec.settings for game in mine] == list(map(settings, range(count)))
        assert 2 * max(game.walkthrough for game in games) <= plan.step_limit


def test_no_two_tasks_are_the_same_game() -> None:
    games = list(listed().values())
    assert len({game.task.content for game in games}) == len(games)
    assert len({game.spec.seed for game in games}) == len(games)


def test_the_first_games_are_a_fair_sample() -> None:
    kinds = [task.kind for task in SUITE.panels["id"].tasks]
    assert len(set(kinds[:4])) == 4
    assert kinds == kinds[:4] * (len(kinds) // 4)


def test_panels_by_kind_hold_the_games_of_that_kind() -> None:
    whole = SUITE.panels["id"]
    parts = [SUITE.panels[f"id:{kind}"] for kind in PLANS["id"].kinds]
    assert all(task.kind == part.split[3:] for part in parts for task in part.tasks)
    assert {task.id for part in parts for task in part.tasks} == {t.id for t in whole.tasks}


def rooms(game: Listed) -> int:
    settings = game.spec.settings
    if game.task.kind == "coin_collector":
        return 2 * settings["length"]  # as many dead ends as rooms on the way
    return settings.get("rooms") or settings.get("go") or 6


def test_more_rooms_are_all_that_ood_rooms_holds_out() -> None:
    in_domain = [game for split in IN_DOMAIN for game in games_of(split)]
    large = games_of("ood_rooms")
    for kind in PLANS["ood_rooms"].kinds:
        small = max(rooms(game) for game in in_domain if game.task.kind == kind)
        assert small < min(rooms(game) for game in large if game.task.kind == kind)
    ways = {
        json.dumps({**game.spec.settings, "go": 6}) for game in large if "go" in game.spec.settings
    }
    assert ways <= {json.dumps(game.spec.settings) for game in in_domain}


def test_longer_recipes_are_all_that_ood_recipe_holds_out() -> None:
    in_domain = [
        g.spec.settings for s in IN_DOMAIN for g in games_of(s) if g.task.kind == "cooking"
    ]
    long = [game.spec.settings for game in games_of("ood_recipe")]
    assert max(s["recipe"] for s in in_domain) < min(s["recipe"] for s in long)
    assert {json.dumps({**s, "recipe": 2}) for s in long} <= set(map(json.dumps, in_domain))


def held(game: Listed) -> tuple[set[str], set[str], str, list[str]]:
    """A game's names, the ingredients of its recipe, the verb its goal ends with, its rooms."""
    data = obtain(game).data
    names = {info["name"] for _, info in data["infos"]}
    ingredients = {name for name, *_ in data["metadata"].get("ingredients", [])}
    places = [info["name"] for _, info in data["infos"] if info["type"] == "r"]
    return names, ingredients, data["metadata"]["walkthrough"][-1].split()[0], places


def test_games_hold_out_what_their_axis_says(installed: None) -> None:
    """Of every game made so far on this machine, and of the first ones of each panel."""
    seen = {
        split: [
            (game, *held(game))
            for number, game in enumerate(games_of(split))
            if number < 3 or is_stored(game)
        ]
        for split in PLANS
    }
    new_foods = {
        food
        for game, names, ingredients, *_ in seen["ood_ingredient"]
        for food in ingredients or names & {"garlic", "kiwi"}
    }
    assert new_foods
    for split, games in seen.items():
        for game, names, _, end, places in games:
            assert len(places) == rooms(game)
            assert split == "ood_ingredient" or not names & new_foods
            assert (end in {"take", "put", "eat"}) == (split != "ood_goal")


# The list needs no TextWorld; play needs the right one.


def test_panels_are_listed_without_textworld() -> None:
    code = (
        "import sys; sys.modules['textworld'] = sys.modules['jericho'] = None;"
        "from cotgap import envs;"
        "print(len(envs.get_panel('textworld/id')))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ran.stdout.strip() == str(len(SUITE.panels["id"])), ran.stderr


@pytest.mark.parametrize(
    ("found", "reason", "fix"),
    [
        (None, "not installed", "pip install 'cotgap[textworld]'"),
        ("1.6.2", f"made with TextWorld {VERSION}, 1.6.2 is installed", f"textworld=={VERSION}"),
    ],
)
def test_a_missing_or_other_version_is_named(
    found: str | None, reason: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "installed_version", lambda: found)
    now = SUITE.availability()
    assert not now.usable
    assert reason in now.reason
    assert fix in now.fix
    assert [finding.fix for finding in SUITE.diagnose()] == [now.fix]
    with pytest.raises(SuiteUnavailableError, match="not usable"):
        SUITE.make()


def test_installed_version_is_read_without_importing(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert store.installed_version() is None


# Making and keeping games.


ELSEWHERE = """
import glob, sys
listing = glob.glob
glob.glob = lambda pattern: listing(pattern)[:: int(sys.argv[1])]  # as another disk may list
from cotgap.envs.textworld.making import make
from cotgap.envs.textworld.panels import listed
made = [make(listed()["id", task].spec) for task in sys.argv[2:]]
assert sys.prefix not in str(made), "a game holds a path of this machine"
print(*(game.content for game in made))
"""


def test_same_game_on_any_machine_and_in_any_order(installed: None) -> None:
    tasks = [first("treasure_hunter"), first("simple"), first("cooking")]
    expected = [SUITE.panels["id"].task(task).content for task in tasks]
    for order, hash_seed in ((1, "0"), (-1, "4321")):
        ran = subprocess.run(
            [sys.executable, "-c", ELSEWHERE, str(order), *tasks[::order]],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
        )
        assert ran.stdout.split() == expected[::order], ran.stderr


def test_damaged_games_are_made_again(folder: Path) -> None:
    listed_game = CHEAP[0]
    story = obtain(listed_game).story
    record = folder / f"{listed_game.task.content}.json"
    whole = record.read_bytes()
    for path, content in ((story, b""), (record, whole[:-10]), (record, b"{}"), (record, None)):
        path.unlink() if content is None else path.write_bytes(content)
        store._cached.cache_clear()
        assert not is_stored(listed_game)
        again = obtain(listed_game)
        assert again.content == listed_game.task.content
        assert is_stored(listed_game)
    assert not list(folder.glob("making.*"))


def test_threads_can_make_the_same_game_at_once(folder: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        games = list(pool.map(obtain, [CHEAP[0]] * 4))
    assert {game.content for game in games} == {CHEAP[0].task.content}
    assert is_stored(CHEAP[0])


def test_a_game_that_is_not_the_listed_one_is_named(folder: Path) -> None:
    other = dataclasses.replace(CHEAP[0], task=dataclasses.replace(CHEAP[0].task, content="0" * 64))
    with pytest.raises(TaskUnavailableError, match=rf"made with TextWorld {VERSION}, .* pip inst"):
        obtain(other)


def test_a_cache_that_cannot_be_written_is_named(
    installed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("COTGAP_CACHE", str(tmp_path / "file"))
    with pytest.raises(TaskUnavailableError, match="set COTGAP_CACHE to a folder"):
        obtain(CHEAP[0])


def test_a_missing_compiler_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFORM_HOME", "/no/such/place")
    with pytest.raises(TaskUnavailableError, match=r"Inform 7.*could not compile.*reinstall"):
        obtain(CHEAP[0])
    problems = [finding for finding in SUITE.diagnose() if finding.level == "problem"]
    assert len(problems) == 1


def test_check_makes_what_is_missing(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    panel = SUITE.panels["id:treasure_hunter"]
    tasks = [task.id for task in panel.tasks[:2]]
    SUITE.check(panel, tasks)
    assert "making 2 TextWorld games" in capfd.readouterr().err
    assert all(is_stored(game) for game in CHEAP[:2])
    SUITE.check(panel, tasks)
    assert capfd.readouterr().err == ""


def test_worker_processes_import_from_the_same_path(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever lies in the working directory."""
    for name in ("cotgap", "envs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise AssertionError")
    monkeypatch.chdir(tmp_path)
    make_missing(CHEAP[:2], workers=2)
    assert all(is_stored(game) for game in CHEAP[:2])


def test_generate_makes_a_panel_ahead_of_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = SUITE.panels["id:treasure_hunter"]
    monkeypatch.setitem(
        SUITE.panels, panel.split, dataclasses.replace(panel, tasks=panel.tasks[:1])
    )
    done = cotgap("games", "generate", "--panel", panel.name, "--workers", "1")
    assert is_stored(CHEAP[0])
    assert (done.exit_code, done.stdout) == (0, f"{panel.name}: 1 games in {games_folder()}\n")
    unknown = cotgap("games", "generate", "--panel", "textworld/ood_gaol")
    assert unknown.exit_code == 2
    assert "Did you mean 'textworld/ood_goal'" in unknown.stderr


def test_worker_processes_report_what_they_cannot_make(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFORM_HOME", "/no/such/place")
    with pytest.raises(TaskUnavailableError, match=r"could not compile.*2 of 2 games"):
        make_missing(CHEAP[:2], workers=2)


def test_a_worker_process_that_dies_is_reported(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation, "__name__", "no.such.module")
    with pytest.raises(TaskUnavailableError, match="died"):
        make_missing(CHEAP[:2], workers=2)


# Play.

META = """
    quit|q|QUIT|Quit game|restart|save|restore|undo|script|transcript on|verbose|superbrief|brief
    version|verify|notify off|pronouns|score|again|g|oops coin|tw-trace-actions|print_state
    tw-extra-infos description|enable print state option|restrict commands|me, quit|quit, me
    look. quit|look then quit|take all. look|"quit"|\\help|say "x"|look; look|transcriptXY
""".replace("\n", "|").split("|")


def test_no_command_can_leave_the_game(
    env: TextWorldEnv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    env.reset(options={"task": first("cooking")})
    before = env.snapshot()
    looked = env.step("look")[0]
    for command in filter(None, map(str.strip, META)):
        env.restore(before)
        observation, reward, *over, info = env.step(command)
        assert (observation, reward, over, info["valid"]) == (REFUSED, 0, [False, False], False)
        assert env.step("look")[0] == looked
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("action", ["", " \n\t", "look\nquit", "é" * 500, "x" * 4000, "\x00", "😀"])
def test_odd_text_is_an_invalid_action(env: TextWorldEnv, action: str) -> None:
    env.reset(options={"task": first("simple")})
    observation, _, *over, info = env.step(action)
    assert not info["valid"]
    assert not any(over)
    assert info["steps"] == 1
    assert observation in env.observation_space
    assert (observation == BLANK) == (not action.strip())


def test_an_action_is_valid_if_the_game_performs_it(env: TextWorldEnv) -> None:
    env.reset(options={"task": first("simple")})
    told = {
        "look": True,
        "LOOK ": True,
        "examine chest drawer": True,
        "open wooden door": False,  # it is locked
        "go north": False,
        "take moon": False,
        "dance": False,
    }
    assert {action: env.step(action)[-1]["valid"] for action in told} == told


def test_first_observation(env: TextWorldEnv) -> None:
    for kind in PLANS["id"].kinds:
        text, info = env.reset(options={"task": first(kind)})
        assert text.startswith(info["goal"])
        assert "\n\n-= " in text
        assert "$$" not in text
        assert "\n\n\n" not in text
        assert not text.endswith(">")
        assert info["score"] == 0
        assert info["admissible_actions"] == sorted(info["admissible_actions"])


@pytest.mark.parametrize("kind", PLANS["id"].kinds)
def test_texts_and_scores_are_those_of_textworld(
    env: TextWorldEnv, kind: str, tmp_path: Path
) -> None:
    import textworld

    task, dice = first(kind), random.Random(kind)
    text, info = env.reset(options={"task": task})
    wanted = textworld.EnvInfos(admissible_commands=True, policy_commands=True, score=True)
    story = Path(shutil.copy(env.game.story, tmp_path))
    story.with_suffix(".json").write_text(json.dumps(env.game.data))
    stock = textworld.start(str(story), request_infos=wanted)
    state = stock.reset()
    assert words(state.feedback).endswith(words(text))
    for _ in range(40):
        assert info["admissible_actions"] == state.admissible_commands
        policy = env._tracked.policy(env._events)
        assert policy == state.policy_commands
        if info["won"] or state.lost:
            break
        odd = ["dance", "take nothing", "open door", "go up", "examine me", "wait"]
        action = dice.choice([*state.admissible_commands, *policy[:1] * 4, dice.choice(odd)])
        text, _, over, _, info = env.step(action)
        state, points, done = stock.step(action)
        assert words(text) == words(state.feedback)
        assert info["score"] == points / env.game.max_score
        assert (info["won"], over) == (state.won, done)
    stock.close()


def words(text: str) -> str:
    return " ".join(text.split())


def test_a_game_can_be_lost(env: TextWorldEnv) -> None:
    task = next(
        game.task.id
        for game in games_of("id")
        if game.task.kind == "cooking" and game.spec.settings["cook"]
    )
    _, info = env.reset(options={"task": task})
    over = False
    while not over:
        action = env.expert_action()
        burn = action.startswith("cook ")
        _, _, over, _, info = env.step(action)
        if burn:
            text, _, over, _, info = env.step(action)
            assert over
            assert not info["won"]
            assert "You lost!" in text
            assert env.expert_action() == "look"
            return
    pytest.fail("nothing was cooked")


def test_expert_wins_after_random_actions(env: TextWorldEnv) -> None:
    for number, kind in enumerate(PLANS["id"].kinds):
        dice = random.Random(number)
        _, info = env.reset(options={"task": first(kind)})
        over = False
        while not over:
            errs = info["steps"] < 12 and dice.random() < 0.5
            ways = [a for a in info["admissible_actions"] if a.startswith(("go ", "open ", "exam"))]
            action = dice.choice(ways) if errs and ways else env.expert_action()
            _, _, terminated, truncated, info = env.step(action)
            over = terminated or truncated
        assert info["won"], kind


def test_expert_reads_the_recipe_once(env: TextWorldEnv) -> None:
    env.reset(options={"task": first("cooking")})
    done, over = [], False
    while not over:
        done.append(env.expert_action())
        assert "<" not in env.rationale(done[-1])
        over = env.step(done[-1])[2]
    assert done.count("examine cookbook") == 1
    cut = next(action for action in done if action.split()[0] in ("cook", "chop", "slice", "dice"))
    assert "the" in env.rationale(cut).split("I read: ")[1]


def test_canonical(env: TextWorldEnv) -> None:
    for same in (("go north", " N", "north\n", "GO  North"), ("inventory", "i")):
        assert len({env.canonical(action) for action in same}) == 1
    assert env.canonical("take coin") != env.canonical("drop coin")


def test_environments_and_snapshots_are_independent(env: TextWorldEnv) -> None:
    other = SUITE.make()
    task = first("simple")
    env.reset(options={"task": task})
    other.reset(options={"task": first("treasure_hunter")})
    start = env.snapshot()
    route = []
    for _ in range(4):
        route.append((env.expert_action(), env.step(env.expert_action())[0]))
        other.step(other.expert_action())
    later = env.snapshot()
    env.reset(options={"task": first("cooking")})
    env.restore(start)
    assert [(action, env.step(action)[0]) for action, _ in route] == route
    here = env.admissible_actions(), env.expert_action()
    env.step("look")
    env.restore(later)
    assert (env.admissible_actions(), env.expert_action()) == here
    other.close()
    assert env.step("look")[-1]["valid"]


MEMORY = """
import gc, random, resource
from pathlib import Path
from cotgap.envs.textworld import SUITE

def resident():
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20

env = SUITE.make(list_actions=False)
tasks = [task.id for task in env.panel.tasks[:5]]

def resets(count):
    for number in range(count):
        env.reset(options={"task": tasks[number % 5]})
        env.step("look")

resets(60)
before = resident()
resets(300)
print(resident() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's /proc")
def test_resets_do_not_leak_memory(installed: None) -> None:
    """Python's own accounting does not see what the native interpreter allocates."""
    ran = subprocess.run([sys.executable, "-c", MEMORY], cwd=ROOT, capture_output=True, text=True)
    assert float(ran.stdout) < 4, ran.stdout + ran.stderr

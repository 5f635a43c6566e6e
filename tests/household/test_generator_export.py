"""Generated games as files: what they hold, who reads them, and that the stock engine agrees."""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path

import pytest

from cotgap.envs.core import CoTGapError
from cotgap.envs.household import World, load_game, make_game
from cotgap.envs.household.game import Game
from cotgap.envs.household.generator import AXES, Generated, generate
from cotgap.envs.household.generator.export import export, rules
from cotgap.envs.household.generator.problem import sentence
from cotgap.envs.household.rules import ALFWorldMissingError
from cotgap.envs.household.wording import WORDINGS
from tests.commands import cotgap
from tools.household.drivers import DRIVERS
from tools.household.expert import play
from tools.household.parity import GameCheck, report, run

ALL = tuple(DRIVERS)


@pytest.fixture(autouse=True)
def _needs_the_package() -> None:
    """The files carry the rules of the package `alfworld`: skips without it, fails in CI."""
    try:
        rules("current")
    except ALFWorldMissingError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


def told(game: Game) -> dict[str, object]:
    """All of a game but its label, whether its file says more than itself, and what it compiles."""
    names = set(Game.__slots__) - {"name", "walkthrough", "solvable", "goal", "initial"}
    fields = {name: getattr(game, name) for name in names}
    start = {name: getattr(game.initial, name) for name in type(game.initial).__slots__}
    return {**fields, **start, "goal": game.goal.tree}


@pytest.mark.parametrize("wording", WORDINGS)
@pytest.mark.parametrize("axis", AXES)
def test_a_file_holds_the_generated_game(axis: str, wording: str, tmp_path: Path) -> None:
    for seed in range(8):
        made = generate(axis, seed)
        path = export(made, tmp_path, wording)
        game = load_game(path)
        direct = make_game(made.problem, sentence(made.draft, game.wording), wording)
        assert told(game) == told(direct)
        if wording == AXES[axis].wording:
            assert game.content_hash == made.game.content_hash
        assert game.solvable
        world = World(game)
        for command in game.walkthrough or ():
            assert not world.won
            world.step(command)
            assert world.last_valid
        assert world.won
        assert world.moves == made.oracle


def test_a_file_can_be_played_in_our_own_wording(tmp_path: Path) -> None:
    for seed in range(8):
        path = export(generate("ood_task", seed), tmp_path)
        assert play(load_game(path, "rephrased"), 50)[0]


def test_rules_are_those_of_released_games(alfworld_data: Path, alfworld_older_data: Path) -> None:
    """`rules` checks itself by digest; here is one whole text of each revision."""
    for wording, folder in (("current", alfworld_data), ("older", alfworld_older_data)):
        path = next((folder / "json_2.1.1").glob("valid_seen/*/*/game.tw-pddl"))
        data = json.loads(path.read_text(encoding="utf-8"))
        ours = rules(wording).game(data)
        assert load_game(ours).intro == load_game(data).intro
        assert "".join(ours["grammar"].split()) == "".join(data["grammar"].split())


def sampled() -> list[tuple[Generated, str]]:
    """Every axis and every kind of task, in both wordings that numbers are published in."""
    made = [
        generate(axis, seed)
        for axis, seed in (
            ("id", 0), ("id", 0), ("id", 3), ("ood_layout", 1), ("ood_object", 2), ("ood_task", 0),
            ("ood_task", 1), ("ood_horizon", 2),
        )
    ]  # fmt: skip
    return [(game, ("current", "older")[n % 2]) for n, game in enumerate(made)]


def test_the_stock_engine_plays_them_identically(tmp_path: Path) -> None:
    checks = [
        GameCheck(export(made, tmp_path / wording, wording), rules(wording), wording, ALL, 15)
        for made, wording in sampled()
    ]
    assert {check.path.parts[-3].split("-")[0] for check in checks} == {
        kind.name for axis in AXES.values() for kind in axis.kinds
    }
    total, _ = run(checks, 1)
    assert not total.mismatches, report(total)
    assert total.steps == len(checks) * len(ALL) * 15
    assert total.won >= len(checks)  # each by its walkthrough, at least


def _collect(folder: str) -> tuple[int, set[str]]:
    """How many games ALFWorld's own environment finds, and what its scripted expert is told."""
    from alfworld.agents.environment.alfred_tw_env import AlfredTWEnv

    config = {
        "env": {"goal_desc_human_anns_prob": 0, "task_types": [1, 2, 3, 4, 5, 6]},
        "dataset": {"data_path": folder, "num_train_games": 0},
    }
    found = AlfredTWEnv(config, train_eval="train").game_files
    return len(found), {Path(path).name for path in found}


def test_alfworlds_own_environment_collects_them(tmp_path: Path) -> None:
    for axis in ("id", "ood_task"):
        for seed in range(4):
            export(generate(axis, seed), tmp_path)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(_collect, (str(tmp_path / "json_2.1.1"),))
    assert found == (8, {"game.tw-pddl"})


def test_layout_of_the_folder(tmp_path: Path) -> None:
    options = ("--limit", "4", "--wording", "older")
    done = cotgap("games", "export", "household/id", tmp_path, *options)
    assert done.exit_code == 0, done.output
    assert "4 games of household/id" in done.stdout
    games = sorted((tmp_path / "json_2.1.1" / "id").glob("*/*/game.tw-pddl"))
    assert len(games) == 4
    for path in games:
        kind, thing, none, target, _ = path.parts[-3].split("-")
        seed = int(path.parts[-2].removeprefix("trial_"))
        made = generate("id", seed)
        assert (kind, thing, none, target) == (
            made.kind, made.draft.thing, "None", made.draft.target,
        )  # fmt: skip
        assert load_game(path).file_revision == "older"
        assert json.loads(path.with_name("traj_data.json").read_text())["task_type"] == kind


def test_bad_usage(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for message, arguments in (
        ("Did you mean 'household/ood_layout'", ("household/ood_layuot", tmp_path)),
        ("1 to 200", ("household/id", tmp_path, "--limit", "0")),
        ("1 to 200", ("household/id", tmp_path, "--limit", "201")),
        ("cannot write to", ("household/id", tmp_path / "file", "--limit", "1")),
        ("choose another folder", ("household/id", tmp_path / "file", "--limit", "1")),
    ):
        done = cotgap("games", "export", *arguments)
        assert (done.exit_code, done.stdout) == (2, "")
        assert message in done.stderr
    with pytest.raises(CoTGapError, match="cannot carry the wording 'rephrased'"):
        rules("rephrased")

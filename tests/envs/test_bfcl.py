"""The BFCL suite: turns and steps, isolation, limits, data, and life without the package."""

from __future__ import annotations

import decimal
import gc
import importlib.metadata
import json
import os
import random
import shutil
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

from cotgap import envs
from cotgap.agents.protocol import PromptProtocol
from cotgap.benchmark.rollout.shots import shot_source
from cotgap.envs.bfcl import backend, data
from cotgap.envs.bfcl.calls import parse
from cotgap.envs.bfcl.data import SPLITS, VERSION, load_item
from cotgap.envs.bfcl.episode import APPEARED, MAX_STEPS, OVER
from cotgap.envs.bfcl.suite import MOST_TURNS, SUITE
from cotgap.envs.core import SuiteUnavailableError, TaskUnavailableError
from tests.envs.bfcl import need_package, started

ROOT = Path(__file__).parents[2]
FIX = f"pip install --no-deps bfcl-eval=={VERSION}"


@pytest.fixture
def package() -> None:
    need_package()


def test_panels_need_no_package() -> None:
    main = [split for split in SUITE.panels if ":" not in split]
    assert main == list(SPLITS)
    assert all(len(SUITE.panels[split]) == 200 for split in main)
    orders = [[task.id for task in SUITE.panels[split].tasks] for split in main]
    assert orders[1:] == orders[:-1], "a number is one conversation in every category"
    kinds = {task.kind for task in SUITE.panels["base"].tasks[:40]}
    assert len(kinds) > 10, "a prefix is a fair sample"


@pytest.mark.usefixtures("package")
def test_a_number_is_the_same_conversation_in_every_split() -> None:
    for task in SUITE.panels["base"].tasks:
        items = [load_item(p, p.task(task.id)) for p in map(SUITE.panel, SPLITS)]
        assert len({item.classes for item in items}) == 1
        calls = [[call for turn in item.truth for call in turn] for item in items]
        assert 0 < len(calls[0]) <= max(map(len, calls)) < 2 * len(calls[0]) + 40
    for split in SPLITS:
        panel = SUITE.panels[split]
        turns = [len(load_item(panel, task).requests) for task in panel.tasks]
        assert max(turns) == MOST_TURNS[split]
        assert panel.step_limit == (MAX_STEPS + 1) * max(turns)


@pytest.mark.usefixtures("package")
def test_a_conversation() -> None:
    env = started("base", "0")
    assert env.goal.startswith("Move 'final_report.pdf' within document directory")
    assert env.render() is None
    assert '{"name": "mkdir"' in env.instructions
    assert "post_tweet" in env.instructions
    observation, reward, over, _, info = env.step(
        '[cd(folder="document"), mkdir(dir_name="temp"), cat(file_name="none")]'
    )
    assert observation == (
        '{"current_working_directory": "document"}\nNone\n'
        '{"error": "cat: \'none\': No such file or directory"}'
    )
    assert (reward, over, info["valid"]) == (0, False, True)
    observation, *_, info = env.step("[mkdir()]")
    assert observation.startswith("Error during execution: ")
    assert info["valid"], "the backend's answer, not ours"
    observation, *_, info = env.step("[mkdir(dir_name='x'), cp2(a=1)]")
    assert observation == "Error: there is no function 'cp2'. Nothing was done."
    assert not info["valid"]
    assert '"x"' not in env.step("[ls()]")[0]
    observation, *_ = env.step("[]")
    assert observation.startswith("User: Perform a detailed search")


@pytest.mark.usefixtures("package")
def test_functions_appear_when_the_data_says_so() -> None:
    env = started("miss_func", "0")
    item = env.episode.item
    ((turn, docs),) = item.appearing.items()
    assert [doc["name"] for doc in docs] == ["sort"]
    assert '{"name": "sort"' not in env.instructions
    for number in range(1, turn + 1):
        assert all(doc["name"] != "sort" for doc in env.episode.shown)
        observation, *_ = env.step("[]")
        assert ('{"name": "sort"' in observation) == (number == turn)
    assert observation.endswith(APPEARED)
    assert env.episode.shown[-1]["name"] == "sort"


@pytest.mark.usefixtures("package")
def test_held_out_functions_work_before_they_appear_as_in_the_package() -> None:
    # The ground truth of this task relies on it: it uses one a turn early.
    env = started("miss_func", "49")
    ((turn, docs),) = env.episode.item.appearing.items()
    held_out = {doc["name"] for doc in docs}
    early = [call for turn in env.episode.item.truth[:turn] for call in turn]
    assert held_out & {call.partition("(")[0] for call in early}


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("action", ["[ls()]", "no calls", ""])
def test_more_than_twenty_steps_in_a_turn_fail(action: str) -> None:
    env = started("base", "0")
    for _ in range(2):  # a new turn starts to count anew
        for _ in range(MAX_STEPS):
            _, _, over, _, _ = env.step(action)
            assert not over
        assert env.step("[]")[0].startswith("User: ")
    for _ in range(MAX_STEPS):
        env.step(action)
    observation, reward, terminated, truncated, info = env.step(action)
    assert (reward, terminated, truncated, info["won"]) == (0, True, False, False)
    assert OVER in observation
    assert env.step("[]")[0] == OVER


@pytest.mark.usefixtures("package")
def test_the_expert_carries_on_from_what_was_done() -> None:
    env = started("base", "0")
    expected = list(env.episode.expected)
    assert len(expected) == 3
    env.step(f"[{expected[0]}]")
    assert parse(env.expert_action()) == (expected[1],)
    for _ in range(18):
        env.step("not a call")
    assert parse(env.expert_action()) == tuple(expected[1:]), "one step is left for two calls"
    env.step(env.expert_action())
    assert env.expert_action() == "[]"
    assert "end the turn" in env.rationale("[]")


@pytest.mark.usefixtures("package")
def test_rationales_trace_arguments() -> None:
    env = started("base", "0")
    assert "the request gives document as the folder" in env.rationale("[cd(folder='document')]")
    env.step("[ls()]")
    reason = env.rationale("[cat(file_name='archive')]")
    assert "the last result gives archive as the file_name" in reason
    for action in ("<think>", "[cat(file_name='<b>')]", "[]", "x" * 20_000, "\n"):
        assert "<" not in env.rationale(action)
        assert len(env.rationale(action)) < 1_500


@pytest.mark.usefixtures("package")
def test_random_actions_are_valid_and_never_win() -> None:
    env, dice = started("base", "0"), random.Random(0)
    for split in SPLITS:
        env = started(split, "7")
        over, valid = False, 0
        while not over:
            _, _, over, _, info = env.step(env.sample_action(dice))
            valid += info["valid"]
        assert valid == info["steps"]
        assert not info["won"]


@pytest.mark.usefixtures("package")
def test_odd_characters_are_shown_as_escapes() -> None:
    env = started("base", "0")
    observation, *_ = env.step("[cat(file_name=['日\\ud800\\x00'])]")
    assert observation in env.observation_space
    text, *_ = env.step("[echo(content='日本')]")
    assert text == json.dumps({"terminal_output": "日本"})


@pytest.mark.usefixtures("package")
def test_snapshots_in_the_middle_of_a_conversation() -> None:
    env = started("long_context", "3")
    for _ in range(3):
        env.step(env.expert_action())
    saved = env.snapshot()

    def finish() -> list[str]:
        texts, over = [], False
        while not over:
            text, _, over, _, info = env.step(env.expert_action())
            texts.append(text)
        assert info["won"]
        return texts

    first = finish()
    env.reset(options={"task": "5"})
    for _ in range(2):
        env.restore(saved)
        assert finish() == first


def _travel_task() -> str:
    """A long-context task in which every traveller has the package's shared credit cards."""
    return next(task.id for task in SUITE.panels["long_context:TravelAPI"].tasks)


@pytest.mark.usefixtures("package")
def test_episodes_share_nothing() -> None:
    one, other = started("long_context", _travel_task()), started("long_context", _travel_task())
    shared = backend.official()._shared
    card, before = next(iter(shared.CREDIT_CARD_EXTENSION.items()))
    cards = one.episode.backends._instances["TravelAPI"].credit_card_list
    assert cards[card] == before
    cards[card]["balance"] = -1
    assert other.episode.backends._instances["TravelAPI"].credit_card_list[card] == before
    assert shared.CREDIT_CARD_EXTENSION[card] == before


@pytest.mark.usefixtures("package")
def test_a_verdict_leaves_the_package_as_it_was() -> None:
    package = backend.official()
    shared, executor = package._shared, vars(package.executor)
    globals_before = set(executor)
    record = next(iter(shared.CREDIT_CARD_EXTENSION.values()))
    shared.CREDIT_CARD_EXTENSION["someone else's"] = record  # left by another user of the package
    env = started("long_context", _travel_task())
    over = False
    while not over:
        _, _, over, _, info = env.step(env.expert_action())
    assert info["won"]
    assert set(executor) == globals_before
    assert "someone else's" not in shared.CREDIT_CARD_EXTENSION


@pytest.mark.usefixtures("package")
def test_the_calculator_s_precision_is_reset() -> None:
    task = SUITE.panels["base:MathAPI"].tasks[0].id
    call = "[logarithm(value=10, base=2, precision=50), square_root(number=2, precision=40)]"
    plain = "[logarithm(value=10, base=2, precision=5)]"
    env = started("base", task)
    first = env.step(plain)[0]
    assert len(env.step(call)[0]) > 80
    assert env.step(plain)[0] == first
    assert decimal.getcontext().prec == 28
    assert backend.official().mpmath.mp.dps == 15


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    "call",
    [
        "power(base=10, exponent=10000000000)",
        "power(base=10, exponent='9')",
        "logarithm(value=10, base=2, precision=1000000000)",
        "logarithm(value=10, base=2, precision=1e9)",
        "logarithm(value='1e999999999', base=2, precision=5)",
        "square_root(number=2, precision=10000000000)",
        "round_number(number=1, decimal_places=-10000000000)",
    ],
)
def test_endless_arithmetic_is_refused(call: str) -> None:
    env = started("base", SUITE.panels["base:MathAPI"].tasks[0].id)
    observation, *_, info = env.step(f"[{call}]")
    assert not info["valid"]
    assert "must be a number up to" in observation


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("kind", ["doubling", "deep", "itself", "results"])
def test_results_and_file_trees_that_grow_without_end_fail(kind: str) -> None:
    env = started("long_context", SUITE.panels["long_context:GorillaFileSystem"].tasks[0].id)
    grow = {
        "doubling": "mkdir(dir_name='d{n}'), cp(source='{n}', destination='d{n}'), "
        "cp(source='{n}', destination='e'), mv(source='e', destination='d{n}'), "
        "mv(source='d{n}', destination='{m}')",
        "deep": "mkdir(dir_name='a'), cd(folder='a')",
        "itself": "mkdir(dir_name='a{n}'), cp(source='a{n}', destination='a{n}')",
        "results": "find(path='/')",
    }[kind]
    env.step("[mkdir(dir_name='0')]")
    observation, over = "", False
    for turn in range(20):
        calls = [grow.format(n=n, m=n + 1) for n in range(turn * 15, turn * 15 + 15)]
        observation, _, over, _, info = env.step(f"[{', '.join(calls)}]")
        if over:
            break
    assert over
    assert not info["won"]
    if kind != "results":
        assert observation.startswith("Error: the file tree is too large")


@pytest.mark.usefixtures("package")
def test_close_forgets_the_episode() -> None:
    env = started("long_context", "3")
    episode = weakref.ref(env.episode)
    env.close()
    gc.collect()
    assert episode() is None


@pytest.mark.usefixtures("package")
def test_no_task_is_shown_its_own_conversation() -> None:
    source = shot_source(PromptProtocol.parse("tags-1+shots=3"), seed=0)
    for split in SPLITS:
        panel = SUITE.panels[split]
        for task in panel.tasks[:3]:
            env = started(split, task.id)
            shots = source(panel.key(task.id))
            assert len(shots) == 3
            assert all(env.goal not in shot.steps[0][0] for shot in shots)


@pytest.fixture
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package's data, to be tampered with."""
    need_package()
    shutil.copytree(data.data_folder(), tmp_path / "data", ignore=shutil.ignore_patterns("*live*"))
    monkeypatch.setattr(data, "data_folder", lambda: tmp_path / "data")
    return tmp_path / "data"


def test_changed_data_is_named(own_data: Path) -> None:
    path = own_data / "BFCL_v4_multi_turn_base.json"
    lines = path.read_text(encoding="utf-8").splitlines()
    entry = json.loads(lines[0])
    entry["initial_config"]["TwitterAPI"]["username"] = "someone_else"
    path.write_text("\n".join([json.dumps(entry), *lines[1:]]), encoding="utf-8")
    env = SUITE.make()
    env.reset(options={"task": "1"})
    with pytest.raises(
        TaskUnavailableError, match=r"task 0 .*different: configuration\)"
    ) as caught:
        env.reset(options={"task": "0"})
    assert FIX.replace("--no-deps", "--no-deps --force-reinstall") in str(caught.value)
    with pytest.raises(TaskUnavailableError):
        SUITE.check(SUITE.panels["base"], ["1", "0"])
    (problem,) = [finding for finding in SUITE.diagnose() if finding.level == "problem"]
    assert "199 of 200" in problem.text


def test_changed_documentation_and_missing_files_are_named(own_data: Path) -> None:
    docs = own_data / "multi_turn_func_doc" / "posting_api.json"
    docs.write_text(docs.read_text().replace("tweet", "toot"))
    with pytest.raises(TaskUnavailableError, match="different: functions"):
        SUITE.check(SUITE.panels["base"], ["0"])
    (own_data / "possible_answer" / "BFCL_v4_multi_turn_miss_func.json").unlink()
    with pytest.raises(TaskUnavailableError, match=r"cannot be read .*To fix: pip install"):
        SUITE.check(SUITE.panels["miss_func"], ["0"])


def _version(installed: str | None) -> object:
    def version(name: str) -> str:
        if installed is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return installed

    return version


@pytest.mark.parametrize(
    ("installed", "reason"),
    [
        (None, "the package bfcl-eval is not installed"),
        ("2025.1.1", f"bfcl-eval 2025.1.1 is installed; the panels are those of {VERSION}"),
    ],
)
def test_a_missing_or_other_package_is_named(
    installed: str | None, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.metadata, "version", _version(installed))
    now = SUITE.availability()
    assert (now.usable, now.reason, now.fix) == (False, reason, FIX)
    with pytest.raises(SuiteUnavailableError) as caught:
        SUITE.make()
    assert reason in str(caught.value)
    assert FIX in str(caught.value)
    assert [finding.fix for finding in SUITE.diagnose()] == [FIX]
    envs.get_suite("toy").make().reset()


def test_commands_print_the_fix(tmp_path: Path) -> None:
    info = tmp_path / "bfcl_eval-2025.1.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bfcl-eval\nVersion: 2025.1.1\n")
    environ = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "COLUMNS": "200"}

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", *arguments]
        return subprocess.run(
            words, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120
        )

    for arguments in (
        ("benchmark", "panels"),
        ("benchmark", "doctor"),
        ("benchmark", "run", "--agent", "expert", "--panel", "bfcl/base", "--out", str(tmp_path)),
        ("tools.bfcl", "replay"),
    ):
        shown = command(*arguments)
        output = shown.stdout + shown.stderr
        assert FIX in output, output
        assert "2025.1.1" in output
        assert "Traceback" not in output

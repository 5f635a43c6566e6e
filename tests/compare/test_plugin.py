"""The pytest plugin, in processes of its own: a project that uses it, and projects that do not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from xml.etree import ElementTree

import pytest

from cotgap.agents.decoding.backend import TransformersBackend
from cotgap.benchmark import regression
from cotgap.benchmark.compare.sides import NotComparableError
from cotgap.envs.core import CoTGapError, UnknownNameError
from tests.compare.folders import outcomes, play
from tests.test_package import tomllib

ROOT = Path(__file__).parents[2]
EXAMPLE = Path(__file__).parent / "example_project"
MODULE = "cotgap.benchmark.pytest_plugin"
# An installed copy brings its entry point; loading the plugin twice would be an error.
LOADED = [] if entry_points(group="pytest11", name="cotgap") else ["-p", MODULE]


def run(folder: Path, *args: str, plugin: bool = True) -> subprocess.CompletedProcess[str]:
    load = LOADED if plugin else ["-p", "no:cotgap"]
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    # What the outer pytest tells its own workers is not for this one: pytest-benchmark, for one,
    # measures nothing in a worker.
    inherited = {name: v for name, v in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *load, *args],
        cwd=folder,
        env={**inherited, "PYTHONPATH": path, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=300,
    )


def results(folder: Path, *args: str) -> tuple[dict[str, str], str]:
    """(test → passed, failure or skipped; the whole output)"""
    done = run(folder, "--junitxml", "results.xml", *args)
    found = {}
    for case in ElementTree.parse(folder / "results.xml").iter("testcase"):
        kinds = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
        found[case.get("name", "")] = kinds[0] if kinds else "passed"
    return found, done.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLE, tmp_path / "project"))


VERDICTS = {
    "test_refactored_is_no_worse": "passed",
    "test_function_is_no_worse": "passed",
    "test_broken_is_caught": "failure",
    "test_too_few_tasks_for_this_margin": "failure",
    "test_too_few_tasks_but_go_on": "skipped",
    "test_speed": "passed",
}


def test_a_project_that_uses_it(project: Path) -> None:
    found, output = results(project)
    assert found == VERDICTS, output
    assert "worse: success[prompt] on toy/id, success[cot] on toy/id" in output
    assert "success, prompt" in output, "the table of the comparison"
    assert "cannot tell: success[prompt] on toy/id" in output
    assert re.search(r"About [\d,]+ tasks would tell", output)
    assert "regression.py" not in output, "no traceback of ours"
    lines = [line for line in output.splitlines() if line.startswith("test_agent.py::")]
    assert len([line for line in lines if "(100 episodes played)" in line]) == 5
    assert len([line for line in lines if "(from the cache)" in line]) == 4

    # The same again plays nothing, but for the function, of which no fingerprint can tell.
    (project / "my_helpers.py").write_text("ERRORS = 0.5\n")
    found, output = results(project, "-k", "not speed")
    expected = VERDICTS | {"test_function_is_no_worse": "failure"}
    del expected["test_speed"]
    assert found == expected, "what the function calls has changed"
    (played,) = [line for line in output.splitlines() if "episodes played" in line]
    assert "my_agent:function" in played


def test_workers_share_what_is_kept_where_one_says(project: Path) -> None:
    play(project / "runs" / "released", "expert")
    place = ("--cotgap-runs", "kept")
    alone = ("-p", "no:cacheprovider")
    found, output = results(project, "-n", "2", "-k", "refactored_is or too_few", *place, *alone)
    assert found == {name: v for name, v in VERDICTS.items() if name in found}
    assert len(found) == 3
    assert output.count("(100 episodes played)") == 2, "one test of three, with two gates"
    assert output.count("(from the cache)") == 4
    (kept,) = (project / "kept" / "default").glob("my_agent-refactored-*")
    assert (kept / "run.json").is_file()
    _, output = results(project, "-k", "refactored_is", *place)
    assert "(from the cache)" in output


def test_marked_and_chosen(project: Path) -> None:
    done = run(project, "-m", "not cotgap")
    assert "6 deselected" in done.stdout
    assert "cotgap:" in run(project, "--markers").stdout


def test_speed_is_recorded(project: Path) -> None:
    done = run(project, "-k", "speed", "--benchmark-json", "speed.json")
    assert done.returncode == 0, done.stdout
    text = (project / "speed.json").read_text()
    assert '"steps_per_second"' in text
    assert '"tokens_per_step"' in text
    missing = run(project, "-k", "speed", "-p", "no:benchmark")
    assert "pip install pytest-benchmark" in missing.stdout


def test_mistakes_are_one_message(project: Path) -> None:
    (project / "test_agent.py").write_text(
        "def test_it(agent_gate):\n    agent_gate('expert', baseline='nowhere', margin=5)\n"
    )
    done = run(project)
    assert "agent_gate: " in done.stdout
    assert "nowhere is not a run folder" in done.stdout
    assert "Traceback" not in done.stdout
    assert "During handling" not in done.stdout


def test_others_do_not_notice_it(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it():\n    assert True\n")
    with_it, without = (run(tmp_path, "-q", plugin=plugin) for plugin in (True, False))
    assert with_it.returncode == without.returncode == 0
    plain = [re.sub(r"[\d.]+s", "", done.stdout) for done in (with_it, without)]
    assert plain[0] == plain[1]


def test_loading_it_imports_nothing_heavy() -> None:
    code = (
        f"import pytest, sys; before = set(sys.modules); import {MODULE}; "
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["cotgap"]


def test_it_is_registered() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert settings["project"]["entry-points"]["pytest11"] == {"cotgap": MODULE}


# What it stands on.


def test_a_checkpoint_that_was_played_is_not_loaded(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = ("--episodes", "2", "--max-steps", "2", "--action-tokens", "4", "--mode", "prompt")
    baseline = play(tmp_path / "baseline", str(tiny_checkpoint), *few)
    runs, scratch = tmp_path / "runs", tmp_path / "scratch"
    first = regression.judge(str(tiny_checkpoint), baseline, runs, scratch, margin=50)
    assert first.played == 2
    assert any("the same agent" in notice for notice in first.comparison.notices)

    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("loaded")

    monkeypatch.setattr(TransformersBackend, "open", refuse)
    again = regression.judge(str(tiny_checkpoint), baseline, runs, scratch, margin=50)
    assert again.played == 0
    assert again.comparison.b.folder == first.comparison.b.folder
    with pytest.raises(AssertionError, match="loaded"):  # another precision is another agent
        regression.judge(
            str(tiny_checkpoint), baseline, runs, scratch, margin=50, options={"dtype": "bfloat16"}
        )
    assert not scratch.exists()


def test_what_cannot_be_played(good: Path, tmp_path: Path) -> None:
    places = (tmp_path / "runs", tmp_path / "scratch")
    with pytest.raises(UnknownNameError, match="panel of"):
        regression.judge("expert", good, *places, panels=["toy/od"], margin=5)
    with pytest.raises(CoTGapError, match="--margin"):
        regression.judge("expert", good, *places, margin=0)
    with pytest.raises(UnknownNameError, match="option of an agent: 'protocol'"):
        regression.judge("expert", good, *places, margin=5, options={"protocol": "tags-1"})
    older = outcomes(tmp_path / "older", {"prompt": [1, 1]})
    with pytest.raises(NotComparableError, match="Run the baseline again"):
        regression.judge("expert", older, *places, margin=5)

"""docs/extending.md, followed to the letter in a copy of the project.

`tests/test_plugins.py` installs the same files as a package.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest

from cotgap.benchmark.sweeps.series import find
from tests.commands import elsewhere

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
COPIED = ("cotgap", "envs", "agents", "benchmark", "leaderboards", "tests", "docs", "tools")


def blocks(language: str) -> list[str]:
    found = re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)
    assert found
    return found


def files() -> dict[str, str]:
    """The document's files by their place in a clone."""
    found = {}
    for block in blocks("python"):
        place, _, text = block.removeprefix("# ").partition("\n")
        found[place] = text
    for block in blocks("html"):
        place, _, text = block.removeprefix("{# ").partition(" #}\n")
        found[place] = text
    return found


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with every file of the document in its place."""
    folder = tmp_path_factory.mktemp("extended")
    ignored = shutil.ignore_patterns("__pycache__", "*.xz", "*.safetensors")
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=ignored, symlinks=True)
    (folder / "pyproject.toml").symlink_to(ROOT / "pyproject.toml")
    for place, text in files().items():
        (folder / place).write_text(text, encoding="utf-8")
    return folder


def environment(project: Path) -> dict[str, str]:
    """This process's, in which the copy is found before an installed project, and its tests too."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return kept | {"PYTHONPATH": str(project), "COLUMNS": "120"}


def python(project: Path, *args: str) -> str:
    done = subprocess.run(
        [sys.executable, *args],
        cwd=project,
        env=environment(project),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{args}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def commands(project: Path, *lines: str) -> list[str]:
    """What lines of a terminal print; `cotgap` after `cotgap` is of one process."""
    printed = []
    for program, group in groupby(map(shlex.split, lines), lambda words: words[0]):
        arguments = [words[1:] for words in group]
        if program == "python":
            printed += [python(project, *given) for given in arguments]
            continue
        for given, done in zip(
            arguments,
            elsewhere(environment(project), project, *arguments, columns=120),
            strict=True,
        ):
            assert done.exit_code == 0, f"{given}:\n{done.output}"
            printed.append(done.stdout)
    return printed


def test_every_command(project: Path) -> None:
    """What the document adds is played, published, audited, shown, and conforms."""
    printed = commands(project, *"".join(blocks("sh")).splitlines())
    agent, locks, audit, played, tests, parrot, brief, probe, nice, _ = printed
    assert "complete: all 10 episodes" in agent
    assert "no reply" not in agent, "every reply could be read"
    assert re.search(r"won in five", agent), "the metric is in the table"
    assert "panels" in locks
    assert re.search(r"counter/id +5 +– +– +\d", audit), "it has a floor, but no ceiling"
    assert "complete: all 10 episodes" in played
    assert "floor: random" in played
    assert re.search(r"\d+ passed", tests)
    assert "failed" not in tests
    assert "no reply" not in parrot
    assert re.search(r"each mode +prompt +95 % CI +n +brief", brief), brief
    assert "same action" in probe
    assert "complete: all 4 episodes" in nice
    assert "noisy: 4 episodes" in (project / "runs/report/sizes.html").read_text(encoding="utf-8")


def test_the_metric_is_compared_and_gates(project: Path, tmp_path: Path) -> None:
    a, b = (shlex.quote(str(tmp_path / name)) for name in ("a", "b"))
    run = "cotgap run --mode both --panel toy/id --quiet --episodes 12"
    *_, compared, planned = commands(
        project,
        f"{run} --agent noisy:prompt=0.5,cot=0 --out {a}",
        f"{run} --agent noisy:prompt=0.1,cot=0 --out {b}",
        f"cotgap compare {a} {b} --margin 90 --gate quick",
        f"cotgap power --panel toy/id --metric quick --baseline {a}",
    )
    assert "won in five, prompt" in compared
    assert "quick[prompt]: no worse by 90 pp" in compared
    assert "from 12 tasks of the baseline" in planned


def test_the_metric_has_a_trend(project: Path) -> None:
    code = """
from pathlib import Path
from cotgap.benchmark.sweeps.outcomes import outcome
from cotgap.benchmark.sweeps.series import Checkpoint
from cotgap.benchmark.sweeps.trends import trends
from cotgap.envs.registry import get_panel
from tests.benchmark.building import random_run
played = [
    outcome(Checkpoint(Path(str(n)), str(n), n), get_panel("toy/id"), random_run(n), {})
    for n in (1, 2)
]
print(*(f"{one.metric}[{one.mode}]" for one in trends(played)))
"""
    found = python(project, "-c", code).split()
    assert {"quick[cot]", "quick[prompt]", "success[cot]", "cot_gap[prompt-cot]"} <= set(found)


def test_the_board(project: Path) -> None:
    code = """
from cotgap.leaderboards.boards.core import get_board
from cotgap.leaderboards.settings import played
from cotgap.leaderboards.tables import fill
from tests.leaderboards.building import some_entry
found = fill(get_board("quick"), played(some_entry("first", 1))[0])
print(*(f"{table.view}:{m.name}" for table in found.tables for m in table.measures))
"""
    shown = python(project, "-c", code).split()
    assert {"cot:quick_cot", "cot:steps_cot", "prompt:quick_prompt"} <= set(shown)


def test_the_card(tmp_path: Path) -> None:
    (card,) = blocks("json")
    (tmp_path / "config.json").touch()
    (tmp_path / "card.json").write_text(card)
    (found,) = find([str(tmp_path)], [])
    assert (found.step, found.series) == (500, "k=0")
    assert found.card == json.loads(card)

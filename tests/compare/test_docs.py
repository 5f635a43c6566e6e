"""What docs/gate.md tells to type works, with small stand-ins for checkpoints and panels."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cotgap.benchmark.stats.power import tasks_for_margin
from tests.commands import cotgap
from tests.compare.test_plugin import EXAMPLE, run

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "gate.md").read_text(encoding="utf-8")
STAND_INS = {
    "path/to/main": "noisy:prompt=0.4,cot=0.2",
    "path/to/mine": "noisy:prompt=0.45,cot=0.2",
    "household/id": "toy/id",
    "my_package.agent:make": "my_agent:released",
    "baselines/main": "runs/main",
}


def blocks(language: str) -> list[str]:
    found = re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)
    assert found
    for word, stand_in in STAND_INS.items():
        found = [block.replace(word, stand_in) for block in found]
    return found


def test_every_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    codes = []
    for line in "".join(blocks("sh")).splitlines():
        program, *arguments = shlex.split(line)
        assert program == "cotgap"
        done = cotgap(*arguments)
        assert not done.stderr.startswith("error: "), done.stderr
        codes.append(done.exit_code)
    assert codes == [0, 0, 0, 4, 0, 0], "50 tasks cannot tell within 3 points"


def test_the_workflow(tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    steps = yaml.safe_load(blocks("yaml")[0])["jobs"]["gate"]["steps"]
    (tmp_path / "my_agent.py").write_text((EXAMPLE / "my_agent.py").read_text())
    (tmp_path / "my_helpers.py").write_text((EXAMPLE / "my_helpers.py").read_text())
    env = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }
    commands = [step["run"] for step in steps if step.get("run", "").startswith("cotgap ")]
    assert len(commands) == 2
    program = f"{sys.executable} -m cotgap"
    play, gate = (command.replace("cotgap", program, 1) for command in commands)
    codes = [
        subprocess.run(["bash", "-ec", command], cwd=tmp_path, env=env).returncode
        for command in (play.replace("runs/mine", "runs/main"), play, gate)
    ]
    assert codes == [0, 0, 4]
    assert "❔" in (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert (tmp_path / "gate.xml").is_file()


def test_the_fixtures(tmp_path: Path) -> None:
    for name in ("my_agent.py", "my_helpers.py", "pyproject.toml"):
        (tmp_path / name).write_text((EXAMPLE / name).read_text())
    (tmp_path / "test_it.py").write_text(blocks("python")[0].replace("margin=5", "margin=10"))
    made = cotgap("run", "--agent", "expert", "--panel", "toy/id", "--out", tmp_path / "runs/main")
    assert made.exit_code == 0, made.output
    done = run(tmp_path)
    assert "2 passed" in done.stdout, done.stdout


def test_figures() -> None:
    assert "where 10 % of tasks differ, a margin of 3 points takes 700" in TEXT
    assert tasks_for_margin(0.03, 0.1) == pytest.approx(700, abs=20)

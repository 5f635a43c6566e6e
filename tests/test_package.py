"""What stands around the code: the package's metadata, the citation and the workflows."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cotgap.cli import COMMANDS

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def read(path: Path) -> dict[Any, Any]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def steps(workflow: Path) -> Iterator[dict[str, Any]]:
    for job in read(workflow)["jobs"].values():
        yield from job["steps"]


def test_the_citation() -> None:
    """It says what the metadata says, and names the paper whose protocol this is."""
    citation = read(ROOT / "CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert citation["license"] == PROJECT["license"]
    assert citation.get("repository-code") == PROJECT["urls"].get("Repository")
    (paper,) = citation["references"]
    assert paper["url"].endswith("/2606.26935")
    assert "arXiv 2606.26935" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_supported_pythons() -> None:
    """CI runs the oldest and the newest of those that the metadata names."""
    said = [c.rpartition(" :: ")[2] for c in PROJECT["classifiers"] if ":: Python :: 3." in c]
    assert PROJECT["requires-python"] == f">={said[0]}"
    tried = read(ROOT / ".github/workflows/ci.yml")["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert (tried[0], tried[-1]) == (said[0], said[-1])
    assert set(tried) <= set(said)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_workflows(workflow: Path) -> None:
    """They run what exists, may not write, and pin the actions that they use."""
    assert read(workflow)["permissions"] == {"contents": "read"}
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    commands = {command.name.split()[0] for command in COMMANDS}
    for step in steps(workflow):
        assert re.search(r"@(v\d+|release/v\d+)$", step.get("uses", "@v1"))
        for line in step.get("run", "").replace("\\\n", " ").splitlines():
            program, *args = shlex.split(line)
            assert program != "make" or args[0] in targets, line
            assert program != "cotgap" or args[0] in commands, line

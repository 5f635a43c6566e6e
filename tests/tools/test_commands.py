"""Every tool is a command with examples, and what its user can solve is one line."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from tools import cli

ROOT = Path(__file__).parents[2]
MODULES = {
    module.removesuffix(".__main__"): module
    for path in sorted((ROOT / "tools").rglob("*.py"))
    if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    for module in (".".join(path.relative_to(ROOT).with_suffix("").parts),)
}
# Those with several commands: each shows its own examples.
COMMANDS = {"tools.bfcl": "mutate", "tools.household.generator": "bench"}


def call(tool: str, *arguments: str) -> int:
    """The exit code of `python -m TOOL`."""
    with pytest.raises(SystemExit) as exit_:
        cli.run(importlib.import_module(MODULES[tool]).app, arguments)
    return int(exit_.value.code or 0)


def test_the_list_of_tools_is_whole() -> None:
    text = (ROOT / "tools" / "__init__.py").read_text(encoding="utf-8")
    assert MODULES
    for tool in MODULES:
        assert f"`{tool.removeprefix('tools.')}`" in text


@pytest.mark.parametrize("tool", MODULES)
def test_help_shows_an_example(tool: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(tool, *filter(None, [COMMANDS.get(tool)]), "--help") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"python -m {tool}" in shown.partition("Example")[2]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("tools.household.expert", ("--data", "no/such/folder")),
        ("tools.household.generator", ("bench", "1", "--axis", "ood_layuot")),
        ("tools.decoding_speed", ("--without", "nothing")),
        ("tools.studies.masking", ("--out", "x", "--panel", "no/such")),
    ],
)
def test_an_error_is_one_line(
    tool: str, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(tool, *arguments) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("error: ")
    assert len(shown.err.splitlines()) == 1
    assert not shown.out


def test_the_generator_is_timed(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("tools.household.generator", "bench", "20", "--axis", "id") == 0
    table = capsys.readouterr().out.splitlines()
    assert "games/s" in table[0]
    assert [line.split()[0] for line in table] == ["axis", "id"]
    assert call("tools.household.generator", "bench", "0") == 2
    assert call("tools.household.generator") == 2


def test_as_a_maker_calls_it() -> None:
    command = [sys.executable, "-W", "error", "-m", "tools.household.parity"]
    done = subprocess.run(
        [*command, "--games", "no/such/file"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: --games: no such file or folder: no/such/file\n"

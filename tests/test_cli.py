"""The command line as a whole: one application, made of options classes."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_type_hints

import pytest
from typer.testing import CliRunner

from cotgap import __version__, cli
from cotgap.agents.options import AgentOptions, LoadingOptions
from cotgap.benchmark.options import ProbeOptions, RunOptions, SweepOptions

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "transformers", "pandas", "scipy", "numpy", "gymnasium", "httpx", "jinja2")
NAMES = [command.name for command in cli.COMMANDS]


def shown(*args: str) -> str:
    done = CliRunner().invoke(cli.application(), list(args), env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return done.output


def option_names(options: type) -> set[str]:
    return {parameter.name for parameter in cli._parameters(options, {})}


@pytest.mark.parametrize("name", NAMES)
def test_every_command_explains_itself(name: str) -> None:
    text = shown(*name.split(), "--help")
    examples = re.findall(r"^ +(cotgap .+)$", text, flags=re.MULTILINE)
    assert any(f"cotgap {name}" in example for example in examples), text


@pytest.mark.parametrize("command", cli.COMMANDS, ids=NAMES)
def test_examples_name_real_options(command: cli.Command) -> None:
    known = {f"--{name.replace('_', '-')}" for name in option_names(command.options)}
    known |= {"--json", "--all", "--open"}
    for example in command.options.EXAMPLES:  # type: ignore[attr-defined]
        if example.startswith(f"cotgap {command.name}"):
            used = set(re.findall(r" (--[a-z-]+)", example))
            assert used <= known, example
            assert len(example) <= 88, "an example fits a line"


def test_help_is_cheap() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from cotgap.cli import application;"
        "CliRunner().invoke(application(), ['run', '--help']);"
        f"print([m for m in {HEAVY} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_version() -> None:
    assert shown("--version").strip() == f"cotgap {__version__}"


def test_whoever_opens_an_agent_takes_the_same_options() -> None:
    loading = {field.name for field in fields(LoadingOptions)}
    for options in (RunOptions, ProbeOptions, SweepOptions):
        assert loading < option_names(options), options
    assert {"agent", "protocol"} < option_names(ProbeOptions)


def test_make_fills_in_defaults_and_refuses_the_unknown() -> None:
    made = cli.make(RunOptions, agent="noisy", panel=["toy/id"], dtype="float32")
    assert made.agent == AgentOptions(agent="noisy", loading=LoadingOptions(dtype="float32"))
    assert (made.tasks.names, made.limits.thought_tokens) == (("toy/id",), 448)
    assert cli.make(ProbeOptions, probe="offline").tasks.episodes == 20, "a probe's own default"
    with pytest.raises(TypeError, match="agnt"):
        cli.make(RunOptions, agnt="noisy")
    with pytest.raises(TypeError, match="probe"):
        cli.make(ProbeOptions)


@pytest.mark.parametrize("door", ["cotgap", "benchmark", "agents", "leaderboards"])
def test_the_doors_of_a_clone(door: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", door, "panels", "toy"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "toy/id" in done.stdout


def test_boards_are_served_from_their_own_door() -> None:
    command = [sys.executable, "-m", "leaderboards", "serve", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "127.0.0.1" in done.stdout


def test_an_error_of_ours_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(options: object) -> int:
        raise ZeroDivisionError("by chance")

    monkeypatch.setattr("cotgap.benchmark.commands.panels.execute", broken)
    monkeypatch.setattr("sys.argv", ["cotgap", "panels"])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == cli.EXIT_BUG
    (line,) = capsys.readouterr().err.splitlines()
    written = Path(line.rpartition(" ")[2])
    assert "ZeroDivisionError: by chance" in line
    assert "Traceback" in written.read_text()
    written.unlink()


def test_every_options_class_can_be_made_of_single_options() -> None:
    for command in cli.COMMANDS:
        hints = get_type_hints(command.options)
        nested = [
            hints[one.name] for one in fields(command.options) if is_dataclass(hints[one.name])
        ]
        for options in nested:
            assert options() == options(), "options that are shared have defaults"

"""The command line, driven as a user drives it: real folders, and processes where one is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from cotgap import benchmark
from cotgap.benchmark.records.folder import LOCK
from cotgap.benchmark.records.store import EPISODES, RUN, SUMMARY, read_episodes
from tests.commands import cotgap

ROOT = Path(__file__).parents[2]
TIMINGS = {"seconds", "env_seconds", "reset_seconds", "wall_seconds"}


def cli(*args: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    """A command in this process with these variables, told of as one in another process."""
    with mock.patch.dict(os.environ, env):
        done = cotgap(*args)
    return subprocess.CompletedProcess(args, done.exit_code, done.stdout, done.stderr)


def run(out: Path, *args: str, agent: str = "noisy") -> subprocess.CompletedProcess[str]:
    return cli("run", "--agent", agent, "--panel", "toy/id", "--out", out, *args)


def timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: timeless(part) for name, part in value.items() if name not in TIMINGS}
    return [timeless(part) for part in value] if isinstance(value, list) else value


def records(folder: Path) -> dict[tuple[str, str, int], Any]:
    return {e.id: timeless(json.loads(json.dumps(e.to_json()))) for e in read_episodes(folder)}


def test_both_modes_end_to_end(tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = run(out, "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary == json.loads((out / SUMMARY).read_text())
    assert summary["complete"]
    assert summary["episodes"]["planned"] == 100
    episodes = read_episodes(out)
    assert len(episodes) == 100
    for episode in episodes:
        shadowed = [step for step in episode.steps if step.shadows]
        assert len(shadowed) == (len(episode.steps) if episode.mode == "cot" else 0)
    wins = {mode: sum(e.success for e in episodes if e.mode == mode) for mode in ("prompt", "cot")}
    (panel,) = summary["panels"]
    success = panel["metrics"]["success"]
    assert success["prompt"]["value"] == pytest.approx(wins["prompt"] / 50)
    assert success["cot"]["value"] == pytest.approx(wins["cot"] / 50)
    gap = panel["metrics"]["cot_gap"]["prompt-cot"]
    assert gap["value"] == pytest.approx((wins["cot"] - wins["prompt"]) / 50)
    assert gap["low"] <= gap["value"] <= gap["high"]


def test_table_names_what_matters(tmp_path: Path) -> None:
    done = run(tmp_path / "run", "--episodes", "10")
    assert done.returncode == 0, done.stderr
    for word in ("toy/id", "success", "CoT gap", "McNemar", "revision", "helpful", "parse"):
        assert word.lower() in done.stdout.lower(), f"{word!r} not in\n{done.stdout}"


def test_same_command_resumes(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert run(out, "--episodes", "5").returncode == 0
    before = (out / EPISODES).read_bytes()
    again = run(out, "--episodes", "5")
    assert again.returncode == 0
    assert "10 of 10 episodes are already on disk" in again.stderr
    assert (out / EPISODES).read_bytes() == before


def test_sigkill_costs_only_what_is_in_flight(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    agent = "tests.scripts:slow_expert"
    assert run(whole, agent=agent).returncode == 0
    command = [sys.executable, "-m", "cotgap", "run", "--agent", agent]
    command += ["--panel", "toy/id", "--out", str(killed)]
    for least in (5, 25, 60):
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        path = killed / EPISODES
        while process.poll() is None:
            if path.exists() and path.read_bytes().count(b"\n") >= least:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.005)
        assert process.wait() == -signal.SIGKILL, "the run ended before it was killed"
    finished = run(killed, agent=agent)
    assert finished.returncode == 0, finished.stderr
    assert "already on disk" in finished.stderr
    assert records(killed) == records(whole)


def test_ctrl_c_stops_cleanly(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "cotgap", "run", "--agent", "tests.scripts:slow_expert"]
    process = subprocess.Popen(
        [*command, "--panel", "toy/id", "--out", str(out)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # A job in the background inherits that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while not (out / EPISODES).exists() or not (out / EPISODES).read_bytes():
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 3, stderr
    assert "Run the same command again" in stderr
    assert "Traceback" not in stderr
    assert "incomplete" in stdout.lower()
    assert not json.loads((out / SUMMARY).read_text())["complete"]


def test_torn_last_line_is_cut_and_played_again(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert run(out, "--episodes", "4").returncode == 0
    want = records(out)
    path = out / EPISODES
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]) + lines[-1][: len(lines[-1]) // 2])
    assert len(benchmark.load(out).episodes) == 7
    again = run(out, "--episodes", "4")
    assert again.returncode == 0
    assert "unfinished last record" in again.stderr
    assert records(out) == want


def test_damaged_middle_line_is_named(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert run(out, "--episodes", "3").returncode == 0
    path = out / EPISODES
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b"{oops}\n", *lines[2:]]))
    again = run(out, "--episodes", "3")
    assert again.returncode == 2
    assert "line 2 is damaged" in again.stderr
    assert path.read_bytes().count(b"\n") == 6


def test_another_configuration_is_refused_and_named(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert run(out, "--episodes", "3").returncode == 0
    before = (out / EPISODES).read_bytes()
    other = run(out, "--episodes", "3", "--seed", "5", "--temperature", "0.5")
    assert other.returncode == 2
    assert "seed: 0 → 5" in other.stderr
    assert "sampling.temperature: 0.0 → 0.5" in other.stderr
    shorter = run(out, "--episodes", "2", "--max-steps", "9")
    assert 'panels.toy/id.tasks: ["0000", "0001", "0002"] → ["0000", "0001"]' in shorter.stderr
    assert "panels.toy/id.step_limit: 12 → 9" in shorter.stderr
    assert (out / EPISODES).read_bytes() == before


def test_an_agent_that_cannot_be_read_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mute.py").write_text("def make():\n    return lambda request: 'go north'\n")
    monkeypatch.syspath_prepend(tmp_path)
    where = ("--panel", "toy/id", "--episodes", "1", "--out", tmp_path / "run")
    done = cli("run", "--agent", "mute:make", *where)
    said = " ".join(done.stdout.split())
    assert "no reply of mode prompt could be read on toy/id" in said
    assert "<action>go north" in said


def test_failures_are_data_and_are_retried(tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = run(out, "--episodes", "20", "--json", agent="tests.scripts:stumbling")
    assert done.returncode == 3, done.stderr
    summary = json.loads(done.stdout)
    assert summary["episodes"]["backend_error"] == 4
    assert not summary["complete"]
    assert all("on fire" in item["error"] for item in summary["errors"])
    unscored = [e for e in read_episodes(out) if not e.status.scored]
    assert {e.score for e in unscored} == {None}
    (panel,) = summary["panels"]
    assert panel["metrics"]["success"]["cot"]["n"] == 18
    again = run(out, "--episodes", "20", agent="tests.scripts:stumbling")
    assert "36 of 40" in again.stderr


def test_broken_environment_is_an_error_not_a_score(tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = run(out, "--episodes", "20", "--mode", "cot", agent="tests.scripts:crashing_env")
    broken = [e for e in read_episodes(out) if e.status.value == "env_error"]
    assert done.returncode == 3, done.stderr
    (error,) = [e.error for e in broken]
    assert error is not None
    assert "ZeroDivisionError" in error
    assert len(broken[0].steps) == 2, "what was decided before it broke is kept"
    assert sum(e.status.scored for e in read_episodes(out)) == 19


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--agent", "exprt"], ["unknown agent 'exprt'", "'expert'"]),
        (["--panel", "toi/id"], ["unknown suite 'toi'", "'toy'"]),
        (["--panel", "toy"], ["lacks its split", "toy/id"]),
        (["--panel", "toy/ids"], ["unknown panel", "'id'"]),
        (["--mode", "cott"], ["unknown mode 'cott'", "both"]),
        (["--protocol", "tags-2"], ["tags-2", "tags-1"]),
        (["--shadow", "none"], ["shadow policy", "auto"]),
        (["--episodes", "0"], ["--episodes 0"]),
        (["--max-steps", "0"], ["--max-steps 0"]),
        (["--temperature", "-1"], ["temperature -1"]),
        (["--agent", "./no/such/folder"], ["no/such/folder"]),
        (["--agent", "tests.scripts:nobody"], ["nobody"]),
        (["--agent", "tests.scripts:not_an_agent"], ["not_an_agent"]),
        (["--agent", "smollm2", "--dtype", "float7"], ["float7", "float32"]),
        (["--panel", "alfworld/valid_seen"], ["ALFWORLD_DATA", "alfworld-download"]),
        (["--engine", "rai"], ["unknown engine 'rai'", "'ray'", "local"]),
        (["--workers", "2"], ["--workers", "--engine ray"]),
        (["--out", "README.md"], ["README.md"]),
        (["--out", "tests"], ["not a run", "--out"]),
    ],
)
def test_bad_usage_is_a_message(args: list[str], words: list[str], tmp_path: Path) -> None:
    base = ["run", "--agent", "noisy", "--panel", "toy/id", "--episodes", "2"]
    out = [] if "--out" in args else ["--out", tmp_path / "run"]
    if "--panel" in args:
        base = base[:3] + base[5:]
    done = cli(*base, *out, *args, ALFWORLD_DATA=str(tmp_path / "nothing"))
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr, f"{word!r} not in\n{done.stderr}"
    assert not (ROOT / "tests" / LOCK).exists(), "a refused folder is left as it was"


def test_two_runs_cannot_write_one_folder(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "cotgap", "run", "--agent", "tests.scripts:slow_expert"]
    first = subprocess.Popen(
        [*command, "--panel", "toy/id", "--out", str(out), "--quiet"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    try:
        while not (out / RUN).exists():
            time.sleep(0.01)
        second = run(out, agent="tests.scripts:slow_expert")
        assert second.returncode == 2
        assert "being written by another run" in second.stderr
    finally:
        first.kill()
        first.wait()


def test_load_gives_tidy_frames(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert run(out, "--episodes", "6", "--repeats", "2", "--shadow", "all").returncode == 0
    episodes, steps = benchmark.load(out)
    assert len(episodes) == 24
    assert set(episodes["mode"]) == {"prompt", "cot"}
    assert steps["executed"].sum() == episodes["n_steps"].sum()
    assert len(steps) == 2 * steps["executed"].sum()
    assert steps.loc[~steps["executed"], "valid"].isna().all()
    assert (steps["cost_to_go"] >= 1).all()


def test_one_mode_can_be_shadowed_by_the_other(tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = run(out, "--episodes", "3", "--mode", "cot", "--shadow", "all")
    assert done.returncode == 0, done.stderr
    assert "revision" in done.stdout
    assert {episode.mode for episode in read_episodes(out)} == {"cot"}


def test_other_circumstances_are_said_and_kept(tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert run(out, "--episodes", "2", "--batch-size", "1").returncode == 0
    again = run(out, "--episodes", "2", "--batch-size", "2")
    assert again.returncode == 0
    assert 'batch_size: "1" → "2"' in again.stderr
    assert len(json.loads((out / RUN).read_text())["versions"]) == 2


def test_starts_fast() -> None:
    # The budget is half a second; a bound on what is imported holds on any machine.
    code = (
        "import sys, cotgap.cli, cotgap.benchmark;"
        "heavy = {'torch', 'transformers', 'pandas', 'scipy', 'statsmodels'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_panels_lists_everything(tmp_path: Path) -> None:
    shown = cli("panels", ALFWORLD_DATA=str(tmp_path))
    assert shown.returncode == 0, shown.stderr
    for word in ("toy/id", "alfworld/valid_unseen", "134", "not usable", "alfworld-download"):
        assert word in shown.stdout
    listed = json.loads(cli("panels", "--json").stdout)
    assert {suite["suite"] for suite in listed} >= {"toy", "alfworld"}
    assert all(len(panel["lock"]) == 64 for suite in listed for panel in suite["panels"])


def test_play_takes_commands_from_a_person() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cotgap", "play", "toy/id", "--task", "0"],
        input="?\n!\nlook\nfly away\n",
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "Your task: reach" in done.stdout
    assert "Nothing happens." in done.stdout
    assert "bye" in done.stdout


def test_doctor_names_what_is_missing(tmp_path: Path) -> None:
    done = cli("doctor", ALFWORLD_DATA=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every panel has its published lock" in done.stdout
    assert "alfworld-download" in done.stdout

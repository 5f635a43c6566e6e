"""Kills commands at random moments, runs them again, and compares what they leave.

Each command is first run undisturbed. Then it is killed by a signal at a random moment of that
time, up to three times in a row, and run to its end. What it leaves must be the same, whatever hit
it; no output may hold a traceback, and a stopped command must leave with the code of its signal.
Commands run in forks of this process, which has imported everything. The victim `workers` is a run
on Ray that stays untouched while its worker is killed.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import psutil
import typer
from rich.console import Console
from rich.table import Table

from cotgap.agents.checkpoints import bundled_path
from cotgap.benchmark.options import EXIT_INCOMPLETE
from cotgap.benchmark.probes.running import read_records
from cotgap.benchmark.records.store import SUMMARY, iter_episodes, read_episodes, read_sessions
from cotgap.cli import COMMANDS, main
from cotgap.envs.core import CoTGapError
from tools.cli import run as run_command

app = typer.Typer(add_completion=False)
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
IN_A_ROW = 3
TOY = ("--panel", "toy/id", "--max-steps", "6", "--quiet")
SMALL = ("--action-tokens", "4", "--thought-tokens", "4")
RUN = ("run", "--agent", "noisy", "--mode", "both", *TOY)


@dataclass(frozen=True)
class Victim:
    """A command and what is compared of the folder or file `out` that it writes.

    `hit` sends a signal to what it is to hit of the process.
    """

    command: Callable[[Path], Sequence[str]]
    result: Callable[[Path], Any]
    hit: Callable[[int, int], None] = os.kill


def _run(out: Path) -> Any:
    """Its episodes and summary; every episode must be accounted for by a session."""
    written = sum(1 for _ in iter_episodes(out))
    accounted = sum(session.episodes for session in read_sessions(out))
    if written != accounted:
        raise CoTGapError(f"{out}: {written} episodes, but sessions account for {accounted}")
    return {e.id: e for e in read_episodes(out)}, (out / SUMMARY).read_text("utf-8")


def _probe(out: Path) -> Any:
    found = {record.id: record.to_json() for record in read_records(out)}
    return found, (out / SUMMARY).read_text("utf-8")


def _sweep(out: Path) -> Any:
    runs = [_run(path.parent)[0] for path in sorted(out.glob("runs/*/run.json"))]
    probes = [_probe(path.parent)[0] for path in sorted(out.glob("probes/*/*/probe.json"))]
    return runs, probes


def _files(out: Path, pattern: str = "*") -> Any:
    """The digest of every file, by its name."""
    paths = [out] if out.is_file() else sorted(p for p in out.rglob(pattern) if p.is_file())
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths
    }


def _kill_a_worker(pid: int, _: int) -> None:
    """Kill a worker of the Ray cluster that this process has started, if there is one yet."""
    for process in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if (process.cmdline() or [""])[0].startswith("ray::Worker"):
                process.kill()
                return


def _victims(given: Path) -> dict[str, Victim]:
    """Every victim by name; `given` holds what they need: `played`, a run."""
    ray = (*RUN, "--episodes", "20", "--engine", "ray", "--workers", "1")
    trained = ("--preset", "tiny", "--panel", "toy/train", "--batch-size", "1", "--steps", "4")
    model = str(bundled_path("tiny-base"))
    return {
        "run": Victim(lambda out: (*RUN, "--out", str(out)), _run),
        "probe": Victim(
            lambda out: ("probe", "branch", "--agent", "noisy", *TOY, "--out", str(out)), _probe
        ),
        "report": Victim(lambda out: ("report", str(given / "played"), "--out", str(out)), _files),
        "submit": Victim(
            lambda out: ("submit", str(given / "played"), "--name", "Noisy", "--out", str(out)),
            _files,
        ),
        "train": Victim(
            lambda out: ("train", *trained, "--init", model, "--out", str(out)),
            lambda out: _files(out, "*.safetensors"),
        ),
        "sweep": Victim(
            lambda out: (
                *("sweep", "--checkpoints", model, "--probe", "offline", *TOY, *SMALL),
                *("--episodes", "2", "--states", "2", "--out", str(out)),
            ),
            _sweep,
        ),
        "ray": Victim(lambda out: (*ray, "--out", str(out)), _run),
        "workers": Victim(lambda out: (*ray, "--out", str(out)), _run, _kill_a_worker),
    }


NAMES = tuple(_victims(Path()))


@dataclass
class Tally:
    """What came of the kills of one victim; `hits` by what hit it."""

    hits: Counter[str]
    seconds: float
    faults: list[str]


def attack(name: str, kills: int, seed: int, folder: Path) -> Tally:
    """Hit a command so many times; raises `CoTGapError` where it fails undisturbed."""
    victim = _victims(folder)[name]
    rng = random.Random(f"{seed}|{name}")
    whole = folder / f"{name}-whole"
    begun = time.monotonic()
    _finish(victim, whole, folder)
    lasted = time.monotonic() - begun
    wanted, tally = victim.result(whole), Tally(Counter(), lasted, [])
    left, trial = kills, 0
    while left > 0:
        trial += 1
        out = folder / f"{name}-{trial}"
        told = []
        for _ in range(min(left, rng.randint(1, IN_A_ROW))):
            number, moment = rng.choice(SIGNALS), rng.uniform(0, lasted)
            told.append(_hit(victim, out, folder, number, moment, tally))
            left -= 1
        try:
            _finish(victim, out, folder)
            if victim.result(out) != wanted:
                tally.faults.append(f"{out}: another result after {', '.join(told)}")
                continue
        except CoTGapError as error:
            tally.faults.append(f"{error}, after {', '.join(told)}")
            continue
        shutil.rmtree(out, ignore_errors=True)
    return tally


def _hit(
    victim: Victim, out: Path, folder: Path, number: signal.Signals, moment: float, tally: Tally
) -> str:
    """Start the command and hit it after so many seconds; notes what is wrong with its end."""
    log = folder / "log"
    pid = _start(victim.command(out), log)
    time.sleep(moment)
    victim.hit(pid, number)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    text = log.read_text("utf-8", "replace")
    direct = victim.hit is os.kill
    what = number.name if direct else "worker"
    tally.hits[what] += 1
    said = f"{what} at {moment:.2f} s"
    allowed = {0}  # it had ended, or nearly
    if direct:  # killed by the signal, as before it began, or stopped because of it
        allowed |= {-number, 128 + number}
    if direct and number == signal.SIGINT:
        allowed.add(EXIT_INCOMPLETE)
    if code not in allowed:
        tally.faults.append(f"{said}: exit code {code}\n{text[-2000:]}")
    if "Traceback" in text:
        tally.faults.append(f"{said}: a traceback\n{text[-2000:]}")
    return said


def _finish(victim: Victim, out: Path, folder: Path) -> None:
    """Run the command to its end; raises `CoTGapError` where it fails."""
    log = folder / "log"
    code = os.waitstatus_to_exitcode(os.waitpid(_start(victim.command(out), log), 0)[1])
    if code:
        text = log.read_text("utf-8", "replace")
        raise CoTGapError(f"{' '.join(victim.command(out))}: exit code {code}\n{text[-2000:]}")


def _start(command: Sequence[str], log: Path) -> int:
    """The process id of a fork that runs the command; what it says goes to the log."""
    sys.stdout.flush()
    if not (pid := os.fork()):
        _become(command, log)
    return pid


def _become(command: Sequence[str], log: Path) -> NoReturn:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
    sys.argv = ["cotgap", *command]
    code: Any = 1
    try:
        main()
    except SystemExit as left:
        code = left.code or 0
    except KeyboardInterrupt:  # before the command began, or after it ended
        code = 128 + signal.SIGINT
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(code)


@app.command()
def kills(
    kills: Annotated[int, typer.Option(help="Kills of each victim.", min=1)] = 20,
    victim: Annotated[
        list[str], typer.Option(help="Victims; repeat. Default: all but those on Ray.")
    ] = [name for name in NAMES if name not in ("ray", "workers")],  # noqa: B006
    seed: Annotated[int, typer.Option(help="Draws signals and moments.")] = 0,
) -> None:
    """Kill commands at random moments and compare what they leave.

    Examples:

        python -m tools.kills --kills 20

        python -m tools.kills --victim ray --victim workers --kills 5
    """
    if unknown := [name for name in victim if name not in NAMES]:
        raise CoTGapError(f"--victim {unknown[0]}: give some of {', '.join(NAMES)}")
    for command in COMMANDS:
        if command.name in NAMES:
            importlib.import_module(command.module)
    table = Table("victim", "alone", "kills", *[one.name for one in SIGNALS], "worker", "faults")
    faults: list[str] = []
    with tempfile.TemporaryDirectory(prefix="cotgap-kills-") as scratch:
        folder = Path(scratch)
        played = folder / "played"
        _finish(Victim(lambda out: (*RUN, "--out", str(out)), _run), played, folder)
        for name in victim:
            tally = attack(name, kills, seed, folder)
            hits = [str(tally.hits[what]) for what in (*(s.name for s in SIGNALS), "worker")]
            many, failed = str(tally.hits.total()), str(len(tally.faults))
            table.add_row(name, f"{tally.seconds:.1f} s", many, *hits, failed)
            faults += [f"{name}: {fault}" for fault in tally.faults]
    Console().print(table)
    for fault in faults:
        print(fault)
    raise typer.Exit(1 if faults else 0)


if __name__ == "__main__":
    run_command(app)

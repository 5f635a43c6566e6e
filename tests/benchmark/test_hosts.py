"""Environments in other processes: the same records, and nothing left behind."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from cotgap.agents.agent import Agent
from cotgap.agents.core import Sampling
from cotgap.agents.protocol import PromptProtocol
from cotgap.agents.specs import make_agent
from cotgap.benchmark.records.config import Limits
from cotgap.benchmark.records.episode import Episode, Status
from cotgap.benchmark.rollout.episode import Decoding, Job
from cotgap.benchmark.rollout.workers import Environments, OpenEnv
from cotgap.envs.core import CoTGapError, SuiteUnavailableError, TaskKey, TextEnv
from cotgap.envs.registry import get_panel, suites
from cotgap.envs.toy import SUITE, ToyEnv
from tests.playing import played

from .test_run import timeless

ROOT = Path(__file__).parents[2]
PANEL = get_panel("toy/id")
LISTED = PromptProtocol.parse("tags-1+admissible")
ENVIRONMENTS = Environments({"toy/id": 12, "textworld/id": 15}, list_actions=True)


def jobs(panel: str = "toy/id", count: int = 6) -> list[Job]:
    chosen = get_panel(panel)
    return [
        Job(chosen.key(task.id), chosen.lock, mode, shadows, 0)
        for task in chosen.tasks[:count]
        for mode, shadows in (("prompt", ()), ("cot", ("prompt",)))
    ]


def run(
    env_workers: int,
    wanted: list[Job],
    open_env: OpenEnv = ENVIRONMENTS,
    agent: Agent | None = None,
    width: int = 4,
    on_step: Callable[[], None] = lambda: None,
) -> Iterator[Episode]:
    return played(
        agent or make_agent("tests.scripts:reader", protocol=str(LISTED)),
        wanted,
        Decoding(Sampling(), Limits(), 0),
        open_env,
        width=width,
        on_step=on_step,
        env_workers=env_workers,
        costly=lambda key: True,
    )


def content(episodes: list[Episode]) -> dict[Any, Any]:
    return {e.id: timeless(json.loads(json.dumps(e.to_json()))) for e in episodes}


def children() -> list[Any]:
    return multiprocessing.active_children()


@pytest.mark.parametrize(("workers", "width"), [(1, 4), (2, 5), (3, 2)])
def test_records_are_those_of_one_process(workers: int, width: int) -> None:
    episodes, most = [], 0
    for episode in run(workers, jobs(), width=width):
        episodes.append(episode)
        most = max(most, len(children()))
    assert content(episodes) == content(list(run(0, jobs())))
    assert any(step.cost_to_go for episode in episodes for step in episode.steps)
    assert most == min(workers, width)
    assert not children()


def test_textworld_steps_elsewhere() -> None:
    suite = suites()["textworld"]
    if not suite.availability().usable:
        assert not os.environ.get("CI")
        pytest.skip(suite.availability().reason)
    assert suite.costly
    wanted = jobs("textworld/id", 2)
    assert content(list(run(2, wanted))) == content(list(run(0, wanted)))


class Breaking(ToyEnv):
    """A toy that breaks in its task 0002, at the third step."""

    def _act(self, action: str) -> Any:
        if self.task_key.task == "0002" and self.steps == 2:
            raise ZeroDivisionError("by design")
        return super()._act(action)


def open_breaking(key: TaskKey) -> TextEnv:
    return Breaking(PANEL, SUITE._layouts["id"])


def refuse(key: TaskKey) -> TextEnv:
    raise SuiteUnavailableError("toy", "it is gone", "get it back")


def test_an_error_there_is_an_error_here() -> None:
    """The record is the same down to the lines of the traceback that name the culprit."""
    there, here = (list(run(n, jobs(), open_breaking)) for n in (2, 0))
    assert content(there) == content(here)
    broken = [episode for episode in there if not episode.status.scored]
    assert {str(episode.task_key) for episode in broken} == {"toy/id/0002#0"}
    for episode in broken:
        assert episode.status is Status.ENV_ERROR
        assert len(episode.steps) == 2
        assert "ZeroDivisionError: by design" in (episode.error or "")
        assert "test_hosts.py" in (episode.error or "")


def test_a_suite_that_cannot_be_opened_stops_the_run() -> None:
    with pytest.raises(CoTGapError, match=r"it is gone\. To fix it: get it back"):
        list(run(1, jobs(), refuse))
    assert not children()


def test_killed_processes_cost_the_episodes_that_they_play() -> None:
    killed: list[int] = []
    steps = itertools.count()

    def kill() -> None:
        if next(steps) == 9:  # no episode ends as early as that
            for child in children():
                killed.append(child.pid)
                os.kill(child.pid, signal.SIGKILL)

    episodes, after = [], set[int]()
    for episode in run(2, jobs(count=10), on_step=kill):
        episodes.append(episode)
        after = {child.pid for child in children()}
    assert len(killed) == 2
    lost = [episode for episode in episodes if episode.status is Status.ENV_ERROR]
    assert 1 <= len(lost) <= 4, "four were played at a time"
    assert all("process died (exit code -9)" in (episode.error or "") for episode in lost)
    rest = [episode for episode in episodes if episode not in lost]
    assert len(rest) == 20 - len(lost)
    whole = content(list(run(0, jobs(count=10))))
    assert content(rest) == {e.id: whole[e.id] for e in rest}
    assert len(after) == 2, "others took their place"
    assert after.isdisjoint(killed)


def test_leaving_early_leaves_no_process() -> None:
    running = run(2, jobs())
    next(running)
    assert children()
    running.close()
    assert not children()


def test_an_agent_that_reads_its_environment_keeps_it() -> None:
    running = run(2, jobs(), agent=make_agent("noisy"))
    next(running)
    assert not children()
    running.close()


def _wait(condition: Callable[[], bool]) -> None:
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("waited for a minute")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_no_process_outlives_its_parent(tmp_path: Path, how: signal.Signals) -> None:
    code = (
        "from tests.benchmark.test_hosts import LISTED, jobs, run\n"
        "from cotgap.agents.specs import make_agent\n"
        "if __name__ == '__main__':\n"
        "    agent = make_agent('tests.scripts:slow_reader', protocol=str(LISTED))\n"
        "    for _ in run(2, jobs(count=50), agent=agent):\n"
        "        print('played', flush=True)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    parent = subprocess.Popen(
        [sys.executable, script],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"played\n"
    started = psutil.Process(parent.pid).children(recursive=True)
    assert len(started) >= 2
    parent.send_signal(how)
    assert parent.wait() != 0
    _wait(lambda: not any(child.is_running() for child in started))

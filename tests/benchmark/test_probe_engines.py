"""Probes are played by the same scheduler as runs: elsewhere, with retries and budgets."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cotgap.agents.agent import Agent
from cotgap.agents.core import BackendError, Completion, Request
from cotgap.agents.decoding.backend import TransformersBackend
from cotgap.agents.specs import make_agent
from cotgap.benchmark.probes.driving import TaskRecord
from cotgap.benchmark.probes.running import Watch, read_records, run_probe
from cotgap.benchmark.records.config import plan_panel
from cotgap.benchmark.rollout.budget import Budget
from cotgap.benchmark.rollout.engines.local import LocalSite
from cotgap.benchmark.rollout.scheduler import TRIES
from cotgap.envs.core import CoTGapError
from cotgap.envs.registry import get_panel
from cotgap.envs.toy import SUITE

from . import doubles
from .test_probes import configure


def reader() -> Agent:
    return make_agent("tests.scripts:reader", protocol="tags-1+admissible")


def found(folder: Path) -> dict[str, TaskRecord]:
    return {record.id: record for record in read_records(folder)}


@pytest.fixture
def costly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the toy's environments step in other processes."""
    monkeypatch.setattr(SUITE, "costly", True, raising=False)


@pytest.mark.usefixtures("costly")
@pytest.mark.parametrize("name", ["offline", "branch"])
def test_environments_elsewhere_change_no_record(tmp_path: Path, name: str) -> None:
    agent = reader()
    panels = (plan_panel(get_panel("toy/id"), 6, 12),)
    config = configure(agent, name, panels=panels)
    most = 0

    def count(record: TaskRecord) -> None:
        nonlocal most
        most = max(most, len(multiprocessing.active_children()))

    for workers in (0, 2):
        watch, out = Watch(on_task=count), tmp_path / str(workers)
        assert run_probe(
            LocalSite(agent), config, out, watch, width=4, env_workers=workers
        ).complete
        assert most == workers
    assert not multiprocessing.active_children()
    assert found(tmp_path / "0") == found(tmp_path / "2")
    assert any("step" in row for record in found(tmp_path / "0").values() for row in record.rows)


@pytest.mark.usefixtures("costly")
def test_a_dead_environment_process_costs_the_tasks_that_it_played(tmp_path: Path) -> None:
    agent = reader()
    config = configure(agent, "offline", panels=(plan_panel(get_panel("toy/id"), 12, None),))
    killed: list[int] = []

    def kill(record: TaskRecord) -> None:
        if not killed:
            for child in multiprocessing.active_children():
                assert child.pid is not None
                killed.append(child.pid)
                os.kill(child.pid, signal.SIGKILL)

    site, watch = LocalSite(agent), Watch(on_task=kill)
    result = run_probe(site, config, tmp_path / "p", watch, width=4, env_workers=2)
    assert len(killed) == 2
    assert 1 <= len(result.errors) <= 4, "four were visited at a time"
    assert all("process died (exit code -9)" in str(lost.error) for lost in result.errors)
    assert result.done + len(result.errors) == 12
    assert run_probe(site, config, tmp_path / "p", Watch(), env_workers=2).complete
    assert run_probe(site, config, tmp_path / "whole", Watch(), env_workers=0).complete
    assert found(tmp_path / "p") == found(tmp_path / "whole")


class Flaky(doubles.Ruled):
    """Fails at every other call."""

    calls = 0

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        self.calls += 1
        if self.calls % 2:
            raise BackendError("try again")
        return super().complete(requests)


def test_a_failing_backend_is_tried_again(tiny: TransformersBackend, tmp_path: Path) -> None:
    assert TRIES > 1
    rule = doubles.follow(doubles.another)
    plain, flaky = (
        Agent("it", "it", kind(tiny, doubles.expert, rule)) for kind in (doubles.Ruled, Flaky)
    )
    for name, agent in (("plain", plain), ("flaky", flaky)):
        config = configure(plain, "conflict")
        assert run_probe(LocalSite(agent), config, tmp_path / name, Watch()).complete
    assert found(tmp_path / "plain") == found(tmp_path / "flaky")


def test_a_spent_budget_stops_a_probe_that_goes_on_later(
    tiny: TransformersBackend, tmp_path: Path
) -> None:
    agent = Agent("it", "it", tiny)
    config: Any = configure(agent, "offline")
    whole = Budget()
    run_probe(LocalSite(agent), config, tmp_path / "whole", Watch(), width=1, budget=whole)
    budget = Budget(tokens=(whole.read + whole.written) // 2)
    stopped = run_probe(LocalSite(agent), config, tmp_path / "p", Watch(), width=1, budget=budget)
    assert budget.spent
    assert not stopped.complete
    assert 0 < stopped.done < 5
    assert run_probe(LocalSite(agent), config, tmp_path / "p", Watch(), width=1).complete
    assert found(tmp_path / "p") == found(tmp_path / "whole")
    uncounted = configure(reader(), "offline")
    with pytest.raises(CoTGapError, match="does not say how many tokens"):
        run_probe(LocalSite(reader()), uncounted, tmp_path / "q", Watch(), budget=Budget(tokens=9))


def test_a_probe_grows_by_tasks_and_panels(tmp_path: Path) -> None:
    agent = make_agent("noisy")
    small = configure(agent, "offline")
    plans = [plan_panel(get_panel(name), 8, None) for name in ("toy/id", "toy/ood_layout")]
    wide = configure(agent, "offline", panels=tuple(plans))
    site = LocalSite(agent)
    assert run_probe(site, small, tmp_path / "grown", Watch()).complete
    visited: list[TaskRecord] = []
    grown = run_probe(site, wide, tmp_path / "grown", Watch(on_task=visited.append))
    assert grown.complete
    assert len(visited) == 16 - 5
    whole = run_probe(site, wide, tmp_path / "whole", Watch())
    assert grown.panels == whole.panels
    assert found(tmp_path / "grown") == found(tmp_path / "whole")
    more = configure(agent, "offline", panels=tuple(plans), states=4)
    with pytest.raises(CoTGapError, match="states: 3 → 4"):
        run_probe(site, more, tmp_path / "grown", Watch())

"""Runs on a real Ray cluster of two nodes on this machine, and what is lost of it."""

from __future__ import annotations

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

from cotgap.agents.core import Sampling
from cotgap.benchmark.probes.core import get_probe
from cotgap.benchmark.probes.driving import TaskRecord
from cotgap.benchmark.probes.running import ProbeConfig, Watch, read_records, run_probe
from cotgap.benchmark.records.config import Limits, RunConfig, plan_panel
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.records.store import EPISODES, read_episodes, read_sessions
from cotgap.benchmark.rollout.budget import Budget
from cotgap.benchmark.rollout.engines import open_site
from cotgap.benchmark.rollout.engines.core import AgentRecipe, Placement
from cotgap.benchmark.rollout.runner import Progress, RunResult, run
from cotgap.envs.core import CoTGapError
from cotgap.envs.registry import get_panel
from tests.agents.architectures import SIZES, random_model
from tests.agents.templates import PLAIN, train_tokenizer

from .test_run import records

ROOT = Path(__file__).parents[2]
if os.environ.get("CI"):
    import ray
else:
    ray = pytest.importorskip("ray")


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two nodes with room for one worker each, and this process as their driver."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # nodes inherit it
    started = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    started.add_node(num_cpus=1)
    monkeypatch.setenv("RAY_ADDRESS", started.address)
    yield started
    ray.shutdown()
    started.shutdown()


def play(
    engine: str,
    out: Path,
    spec: str,
    on_episode: Callable[[Episode], None] = lambda episode: None,
    *,
    tasks: int = 30,
    budget: Budget | None = None,
    workers: int = 2,
    **options: Any,
) -> RunResult:
    placement = Placement(workers=workers) if engine == "ray" else Placement()
    site = open_site(engine, AgentRecipe(spec, options), placement)
    try:
        config = RunConfig(
            agent=site.card.description,
            protocol=str(site.card.protocol),
            modes=("prompt", "cot"),
            shadow="auto",
            panels=(plan_panel(get_panel("toy/id"), tasks, 6),),
            repeats=1,
            sampling=Sampling(),
            limits=Limits(8, 8),
            seed=0,
        )
        progress = Progress(lambda *_: None, lambda: None, on_episode)
        return run(site, config, out, progress, width=3, engine=engine, budget=budget)
    finally:
        site.close()


def after(number: int, do: Callable[[], None]) -> Callable[[Episode], None]:
    """Do something once when so many episodes have ended."""
    ended: list[Episode] = []

    def count(episode: Episode) -> None:
        ended.append(episode)
        if len(ended) == number:
            do()

    return count


def test_a_lost_node_and_a_killed_worker_cost_nothing(tmp_path: Path, cluster: Any) -> None:
    (lost,) = cluster.worker_nodes
    events: list[str] = []

    def lose_node() -> None:
        cluster.remove_node(lost, allow_graceful=False)
        events.append("node")

    def kill_worker() -> None:
        for process in psutil.process_iter(["cmdline"]):
            if (process.info["cmdline"] or [""])[0].startswith("ray::Worker"):
                process.kill()
                events.append("worker")

    lose, kill = after(10, lose_node), after(35, kill_worker)

    def watch(episode: Episode) -> None:
        lose(episode)
        kill(episode)

    spec = "tests.scripts:slow_expert"
    result = play("ray", tmp_path / "ray", spec, watch)
    assert events[0] == "node"
    assert "worker" in events
    assert result.complete
    play("local", tmp_path / "local", spec)
    assert records(tmp_path / "ray") == records(tmp_path / "local")
    lines = (tmp_path / "ray" / EPISODES).read_text().splitlines()
    assert len(lines) == 60, "no episode is written twice"
    (session,) = read_sessions(tmp_path / "ray")
    assert (session.engine, session.workers, session.episodes) == ("ray", 2, 60)


@pytest.mark.parametrize("name", ["offline", "branch"])
def test_a_killed_worker_costs_a_probe_nothing(tmp_path: Path, cluster: Any, name: str) -> None:
    killed: list[int] = []

    def kill(record: TaskRecord) -> None:
        if not killed:
            for process in psutil.process_iter(["cmdline"]):
                if (process.info["cmdline"] or [""])[0].startswith("ray::Worker"):
                    killed.append(process.pid)
                    process.kill()
                    break

    for engine in ("ray", "local"):
        placement = Placement(workers=2) if engine == "ray" else Placement()
        site = open_site(engine, AgentRecipe("tests.scripts:slow_expert"), placement)
        try:
            config = ProbeConfig(
                probe=name,
                version=get_probe(name).version,
                agent=site.card.description,
                protocol=str(site.card.protocol),
                panels=(plan_panel(get_panel("toy/id"), 12, 8),),
                states=2,
                mode="cot",
                limits=Limits(8, 8),
                seed=0,
            )
            watch = Watch(on_task=kill)
            assert run_probe(site, config, tmp_path / engine, watch, width=3).complete
        finally:
            site.close()
        assert killed, "a worker was killed while Ray played"
    ours, theirs = (
        {record.id: record for record in read_records(tmp_path / engine)}
        for engine in ("ray", "local")
    )
    assert ours == theirs
    assert len(ours) == 12


def test_an_episode_that_ends_workers_is_given_up(tmp_path: Path, cluster: Any) -> None:
    """It alone: the others are played, and a resumed run tries it again."""
    result = play("ray", tmp_path, "tests.scripts:deadly", tasks=6)
    lost = [episode for episode in read_episodes(tmp_path) if not episode.status.scored]
    assert {(str(e.task_key), e.mode) for e in lost} == {
        ("toy/id/0002#0", "prompt"),
        ("toy/id/0002#0", "cot"),
    }
    assert {episode.status.value for episode in lost} == {"backend_error"}
    assert "3 Ray workers were lost" in (lost[0].error or "")
    assert result.statuses["backend_error"] == 2
    assert not result.complete


def test_a_model_s_records_are_the_local_engine_s(tmp_path: Path, cluster: Any) -> None:
    """A run whose budget was spent and that went on later, too."""
    tokenizer = train_tokenizer()
    tokenizer.chat_template = PLAIN
    sizes = {**SIZES, "max_position_embeddings": 4096}
    model = random_model("llama", sizes, len(tokenizer), tokenizer.eos_token_id)
    folder = tmp_path / "model"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    budget = Budget(tokens=2000)
    stopped = play("ray", tmp_path / "ray", str(folder), tasks=3, threads=1, budget=budget)
    assert budget.spent
    assert 0 < sum(stopped.statuses.values()) < 6
    for engine in ("ray", "local"):
        result = play(engine, tmp_path / engine, str(folder), tasks=3, threads=1)
        assert result.complete
        assert result.config.agent["backend"] == "transformers"
    found, wanted = (
        {
            e.id: (e.status, e.score, [(s.observation, s.decision.raw) for s in e.steps])
            for e in read_episodes(tmp_path / engine)
        }
        for engine in ("ray", "local")
    )
    assert found == wanted
    digests = {(tmp_path / e / "run.json").read_text()[:80] for e in ("ray", "local")}
    assert len(digests) == 1, "one configuration"


def test_a_budget_needs_an_agent_that_counts(tmp_path: Path, cluster: Any) -> None:
    with pytest.raises(CoTGapError, match="does not say how many tokens"):
        play("ray", tmp_path, "noisy", tasks=3, budget=Budget(tokens=9))


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 3), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_leaves_a_run_to_resume_and_no_ray(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "cotgap", "run", "--agent", "tests.scripts:slow_expert"]
    command += ["--panel", "toy/id", "--out", str(out), "--quiet"]
    process = subprocess.Popen(
        [*command, "--engine", "ray", "--workers", "2"],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while process.poll() is None and not ((out / EPISODES).exists() and read_episodes(out)):
        time.sleep(0.02)
    started = psutil.Process(process.pid).children(recursive=True)
    assert any("raylet" in child.name() for child in started)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == code, stderr
    assert "Run the same command again" in stderr
    assert "Traceback" not in stderr
    for _ in range(1500):
        if not any(child.is_running() for child in started):
            break
        time.sleep(0.02)
    assert not [child for child in started if child.is_running()]
    played = len(read_episodes(out))
    assert 0 < played < 100
    # The other engine goes on where this one stopped.
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr
    assert len(read_episodes(out)) == 100
    assert [session.engine for session in read_sessions(out)] == ["ray", "local"]


def test_a_run_whose_only_node_dies_says_so_and_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    started = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
    )
    lost = started.add_node(num_cpus=1)
    monkeypatch.setenv("RAY_ADDRESS", started.address)

    def lose() -> None:
        started.remove_node(lost, allow_graceful=False)

    spec, out = "tests.scripts:slow_expert", tmp_path / "run"
    try:
        with pytest.raises(CoTGapError, match="no node of the Ray cluster is left"):
            play("ray", out, spec, after(5, lose), workers=1)
        before = len(read_episodes(out))
        (session,) = read_sessions(out)
        assert (session.killed, session.episodes) == (True, before)
        started.add_node(num_cpus=1)
        assert play("ray", out, spec, workers=1).complete
    finally:
        ray.shutdown()
        started.shutdown()
    play("local", tmp_path / "local", spec)
    assert records(out) == records(tmp_path / "local")

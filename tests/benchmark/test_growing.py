"""Folders that are taken up again: a run grows, and what would change a number is refused."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cotgap.agents.core import Sampling
from cotgap.agents.specs import make_agent
from cotgap.benchmark.compare.sides import read_side
from cotgap.benchmark.records.config import Limits, RunConfig, plan_panel
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.records.store import EPISODES, RUN, RunStore, read_episodes, read_run
from cotgap.benchmark.rollout.engines.local import LocalSite
from cotgap.benchmark.rollout.runner import Progress, RunResult, run
from cotgap.envs.core import CoTGapError
from cotgap.envs.registry import get_panel

from .test_run import records

SLOW = "tests.scripts:slow_expert"


def configure(
    tasks: int = 4,
    panels: tuple[str, ...] = ("toy/id",),
    steps: int = 6,
    spec: str = "noisy",
    **changes: Any,
) -> RunConfig:
    agent = make_agent(spec)
    config = RunConfig(
        agent=agent.describe(),
        protocol=str(agent.protocol),
        modes=("prompt", "cot"),
        shadow="auto",
        panels=tuple(plan_panel(get_panel(name), tasks, steps) for name in panels),
        repeats=1,
        sampling=Sampling(),
        limits=Limits(),
        seed=0,
    )
    return replace(config, **changes)


def play(
    folder: Path,
    config: RunConfig,
    spec: str = "noisy",
    on_episode: Callable[[Episode], None] = lambda episode: None,
    on_start: Callable[..., None] = lambda *_: None,
) -> RunResult:
    progress = Progress(on_start, lambda: None, on_episode)
    return run(LocalSite(make_agent(spec)), config, folder, progress, width=3)


WIDER: dict[str, dict[str, Any]] = {
    "tasks": {"tasks": 9},
    "panels": {"panels": ("toy/ood_layout", "toy/id")},
    "repeats": {"repeats": 3},
    "all": {"tasks": 6, "panels": ("toy/id", "toy/ood_layout"), "repeats": 2},
}


@pytest.mark.parametrize("what", WIDER)
def test_a_finished_run_grows(tmp_path: Path, what: str) -> None:
    """What is there stays, byte for byte, and the whole is what one run of it gives."""
    small, wide = configure(), configure(**WIDER[what])
    assert play(tmp_path / "grown", small).complete
    before = (tmp_path / "grown" / EPISODES).read_bytes()
    grown = play(tmp_path / "grown", wide)
    assert grown.complete
    assert (tmp_path / "grown" / EPISODES).read_bytes().startswith(before)
    assert grown.session is not None
    assert grown.session.episodes == grown.planned - 8
    whole = play(tmp_path / "whole", wide)
    assert records(tmp_path / "grown") == records(tmp_path / "whole")
    assert grown.to_json() == whole.to_json()
    assert read_run(tmp_path / "grown")["digest"] == wide.digest
    # It is what the folder holds now: the same again plays nothing, and less is another run.
    assert play(tmp_path / "grown", wide).session is None
    with pytest.raises(CoTGapError, match="another configuration"):
        play(tmp_path / "grown", small)


@pytest.mark.parametrize("first", ["prompt", "cot"])
def test_the_other_mode_is_added(tmp_path: Path, first: str) -> None:
    """Episodes that lack the actions beside them are played again; the others are kept."""
    notices: list[str] = []
    both = configure()
    play(tmp_path / "grown", configure(modes=(first,)))
    grown = play(tmp_path / "grown", both, on_start=lambda n, before, said: notices.extend(said))
    assert grown.complete
    assert grown.session is not None
    assert grown.session.episodes == (4 if first == "prompt" else 8)
    assert any("played again" in notice for notice in notices) == (first == "cot")
    play(tmp_path / "whole", both)
    assert records(tmp_path / "grown") == records(tmp_path / "whole")
    read_side(tmp_path / "grown")  # nobody takes what was played again for a forgery


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "seed": ({"seed": 1}, "seed: 0 → 1"),
    "temperature": ({"sampling": Sampling(0.5)}, r"sampling.temperature: 0.0 → 0.5"),
    "protocol": ({"protocol": "tags-1+admissible"}, 'protocol: "tags-1" → "tags-1.admissible"'),
    "limit": ({"limits": Limits(8, 8)}, r"limits.action_tokens: 64 → 8"),
    "timeout": ({"limits": Limits(timeout=9)}, r"limits.timeout: null → 9"),
    "steps": ({"steps": 7}, r"panels.toy/id.lock: .*panels.toy/id.step_limit: 6 → 7"),
    "shadow": ({"shadow": "all"}, 'shadow: "auto" → "all"'),
    "fewer tasks": ({"tasks": 3}, r"panels.toy/id.tasks: "),
    "another panel": ({"panels": ("toy/ood_layout",)}, r"panels.toy/id: .* → null"),
    "fewer modes": ({"modes": ("cot",)}, "modes: "),
    "another order": ({"modes": ("cot", "prompt")}, "modes: "),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_would_change_a_number_is_refused_by_name(tmp_path: Path, what: str) -> None:
    changes, message = REFUSED[what]
    play(tmp_path, configure())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    wider: dict[str, Any] = {"repeats": 2, **changes}
    with pytest.raises(CoTGapError, match=f"(?s){message}") as refused:
        play(tmp_path, configure(**wider))
    assert "repeats" not in str(refused.value).partition("Give another")[0]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_another_dtype_is_refused_by_name(tmp_path: Path) -> None:
    config = configure()
    agent = {**config.agent, "dtype": "float32"}
    with RunStore(tmp_path, replace(config, agent=agent), {}):
        pass
    other = replace(configure(tasks=9), agent={**agent, "dtype": "bfloat16"})
    with pytest.raises(CoTGapError, match=r'agent\.dtype: "float32" → "bfloat16"'):
        RunStore(tmp_path, other, {}).__enter__()


def test_two_processes_do_not_grow_one_run(tmp_path: Path) -> None:
    """The second is refused, before it has changed what the folder says of itself."""
    play(tmp_path, configure())
    with RunStore(tmp_path, configure(tasks=6), {}):
        with pytest.raises(CoTGapError, match="being written by another run"):
            play(tmp_path, configure(tasks=9))
        assert read_run(tmp_path)["config"] == configure(tasks=6).to_json()
    assert play(tmp_path, configure(tasks=9)).complete


def _grow(folder: Path) -> None:
    play(folder, configure(tasks=30, spec=SLOW), SLOW)


@pytest.mark.parametrize("seconds", [0.0, 0.3, 1.0])
def test_a_kill_while_growing_costs_what_is_in_flight(tmp_path: Path, seconds: float) -> None:
    small = configure(spec=SLOW)
    play(tmp_path / "run", small, SLOW)
    kept = (tmp_path / "run" / EPISODES).read_bytes()
    process = multiprocessing.get_context("fork").Process(target=_grow, args=[tmp_path / "run"])
    process.start()
    while len((tmp_path / "run" / EPISODES).read_bytes()) == len(kept) and process.is_alive():
        if seconds == 0 and read_run(tmp_path / "run")["digest"] != small.digest:
            break
        time.sleep(0.001)
    time.sleep(seconds)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert (tmp_path / "run" / EPISODES).read_bytes().startswith(kept)
    (tmp_path / "run" / EPISODES).open("a").write('{"torn')
    _grow(tmp_path / "run")
    play(tmp_path / "whole", configure(tasks=30, spec=SLOW), SLOW)
    assert records(tmp_path / "run") == records(tmp_path / "whole")


def test_a_damaged_record_is_named_by_its_line(tmp_path: Path) -> None:
    play(tmp_path, configure(tasks=20))
    lines = (tmp_path / EPISODES).read_text().splitlines(keepends=True)
    many = lines * 25
    many[500] = many[500][:300] + "\n"
    (tmp_path / EPISODES).write_text("".join(many))
    with pytest.raises(CoTGapError, match=r"line 501 is damaged \(.*\)\. Delete that line"):
        read_episodes(tmp_path)
    with pytest.raises(CoTGapError, match="line 501 is damaged"):
        play(tmp_path, configure(tasks=21))
    del many[500]
    (tmp_path / EPISODES).write_text("".join(many))
    assert len(read_episodes(tmp_path)) == 40
    assert play(tmp_path, configure(tasks=21)).complete


def test_a_head_that_is_no_configuration(tmp_path: Path) -> None:
    play(tmp_path, configure())
    for text in ("{", "[]", '{"config": 7}', json.dumps({"config": {}})):
        (tmp_path / RUN).write_text(text)
        with pytest.raises(CoTGapError, match=r"malformed|another configuration"):
            play(tmp_path, configure())

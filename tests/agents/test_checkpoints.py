"""The bundled checkpoints: whole, small, described, and agents that play."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from cotgap.agents.agent import Agent
from cotgap.agents.checkpoints import bundled, bundled_path
from cotgap.agents.core import Request, Sampling
from cotgap.agents.decoding.backend import TransformersBackend
from cotgap.agents.specs import make_agent
from cotgap.benchmark.metrics.summary import summarise
from cotgap.benchmark.records.config import Limits
from cotgap.benchmark.rollout.episode import Decoding, Job
from cotgap.envs.audits import audit_of
from cotgap.envs.core import Expert, TaskKey, TextEnv
from cotgap.envs.registry import get_panel, get_suite
from tests.playing import played

from .reference import generated

PANEL = "household/id"
SERIES = [name for name in bundled() if name.startswith("tiny") and "masked" not in name]


@pytest.fixture(scope="module")
def ckpt() -> Iterator[Agent]:
    agent = make_agent("ckpt", device="cpu", threads=1)
    yield agent
    agent.close()


def size(name: str) -> int:
    return sum(path.stat().st_size for path in bundled_path(name).rglob("*"))


def card(name: str) -> dict[str, Any]:
    text = (bundled_path(name) / "card.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def test_they_are_small() -> None:
    adapters = [name for name in bundled() if name.startswith("smollm2")]
    assert len(adapters) >= 2
    assert sum(size(name) for name in bundled() if name not in adapters) < 40e6
    assert all(size(name) < 10e6 for name in adapters)


@pytest.mark.parametrize("name", bundled())
def test_cards(name: str) -> None:
    """What decides in-domain is there; nothing of the machine it was made on is."""
    said = card(name)
    assert [panel["panel"] for panel in said["trained_on"]] == ["household/train"]
    assert said["command"].startswith("python -m agents train --preset ")
    assert " /" not in said["command"]
    assert all(said[fact] for fact in ("step", "loss_curve", "exactness", "data_sha256"))
    for path in bundled_path(name).glob("*.json"):
        assert str(Path.home()) not in path.read_text(encoding="utf-8")


def test_the_series_has_one_base() -> None:
    """All but the base were trained from it, and say by which share of masked examples."""
    base = make_agent("ckpt:tiny-base", device="cpu").fingerprint
    trained = [card(name) for name in bundled() if name.startswith("tiny") and name != "tiny-base"]
    assert {said["parent"]["fingerprint"] for said in trained} == {base}
    steps = sorted(int(card(name)["step"]) for name in SERIES if name != "tiny-base")
    assert 4 <= len(steps) <= 6
    assert steps[-1] == card("tiny")["step"] == card("tiny-masked")["step"]
    masked = card("tiny-masked")["config"]["action_mask_fraction"]
    assert (masked, card("tiny")["config"]["action_mask_fraction"]) == (0.3, 0.0)


def test_it_plays_far_above_the_floor(ckpt: Agent) -> None:
    """In both modes, and in the better one most of the first tasks of the panel."""
    panel = get_panel(PANEL)
    jobs = [
        Job(panel.key(task.id), panel.lock, mode, (), 0, task.kind)
        for task in panel.tasks[:16]
        for mode in ("prompt", "cot")
    ]
    episodes = played(ckpt, jobs, Decoding(Sampling(), Limits(), 0), opened, width=32)
    (summary,) = summarise(episodes)
    audit = audit_of(PANEL, panel.lock)
    assert audit is not None
    floor = audit.agents["random"]
    success = summary.metrics["success"]
    values = [success[mode].value for mode in ("prompt", "cot")]
    assert min(values) > 2 * floor.won / floor.n
    assert max(values) > 0.5


def opened(key: TaskKey) -> TextEnv:
    return get_suite(key.suite).make(get_panel(key.panel), list_actions=False)


def test_tokens_are_those_of_generate(ckpt: Agent) -> None:
    """In float32, over whole games that the expert plays, both modes at each state."""
    backend = cast(TransformersBackend, ckpt.backend)
    asked = list(states(ckpt, tasks=3))
    assert len(asked) > 30
    found = [completion.text for completion in backend.complete(asked)]
    assert found == [generated(backend, request) for request in asked]


def states(agent: Agent, tasks: int) -> Iterator[Request]:
    env = opened(get_panel(PANEL).key(get_panel(PANEL).tasks[0].id))
    for task in env.panel.tasks[:tasks]:
        observation, _ = env.reset(options={"task": task.id})
        talk, ended = agent.dialogue(env.instructions), False
        while not ended:
            talk.observe(observation, None)
            for mode in ("prompt", "cot"):
                yield talk.request(
                    mode, sampling=Sampling(), seed=0, cache_key=task.id, max_new_tokens=96
                )
            action = cast(Expert, env).expert_action()
            talk.act(action, None)
            observation, _, terminated, truncated, _ = env.step(action)
            ended = terminated or truncated

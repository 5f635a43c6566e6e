"""The local engine with a backend that answers as it goes: the same records, sooner."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from cotgap.agents.agent import Agent
from cotgap.agents.backends.scripted import ScriptedBackend, noisy_agent
from cotgap.agents.core import Backend, BackendError, Completion, Request, Sampling
from cotgap.agents.decoding.backend import TransformersBackend
from cotgap.benchmark.records.config import Limits
from cotgap.benchmark.records.episode import Episode, Status
from cotgap.benchmark.rollout.episode import Decoding, Job
from cotgap.envs.registry import get_panel
from cotgap.envs.toy import SUITE
from tests.agents.architectures import SIZES, random_model
from tests.agents.templates import PLAIN, train_tokenizer
from tests.playing import played

from .test_run import timeless

PANEL = get_panel("toy/id")
DECODING = Decoding(Sampling(0.7), Limits(action_tokens=6, thought_tokens=10), 0)


class Stream(ScriptedBackend):
    """A scripted backend that answers one request at a time, in no order.

    `collect` fails at the calls whose numbers are in `failing`, `complete` at every request of a
    cache key that holds `poison`.
    """

    def __init__(self, failing: Sequence[int] = (), poison: str = "nothing") -> None:
        noisy = noisy_agent()
        super().__init__(noisy._speaker, noisy._parameters)
        self.flying: dict[int, Request] = {}
        self.failing, self.poison, self.calls, self.most = failing, poison, 0, 0
        self.dice = random.Random(0)

    def submit(self, requests: Sequence[Request]) -> list[int]:
        first = max(self.flying, default=-1) + 1
        self.flying |= dict(enumerate(requests, first))
        self.most = max(self.most, len(self.flying))
        return list(range(first, first + len(requests)))

    def collect(self) -> list[tuple[int, Completion]]:
        self.calls += 1
        ticket = self.dice.choice(list(self.flying))
        if self.calls in self.failing or self.poison in self.flying[ticket].cache_key:
            self.flying.clear()
            raise BackendError("out of order")
        return [(ticket, super().complete([self.flying.pop(ticket)])[0])]

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        if any(self.poison in request.cache_key for request in requests):
            raise BackendError("poisoned")
        return super().complete(requests)

    def forget(self) -> None:
        self.flying.clear()


def jobs(count: int) -> list[Job]:
    keys = [PANEL.key(task.id) for task in PANEL.tasks[:count]]
    modes: tuple[tuple[str, tuple[str, ...]], ...] = (("prompt", ()), ("cot", ("prompt",)))
    return [Job(key, PANEL.lock, *mode, 0) for key in keys for mode in modes]


def play(backend: Backend, width: int, count: int = 6, limit: int = 50) -> list[Episode]:
    panel = PANEL.with_step_limit(limit)
    agent = Agent("it", "it", backend)
    episodes = played(agent, jobs(count), DECODING, lambda key: SUITE.make(panel), width=width)
    return sorted(episodes, key=lambda episode: episode.id)


def content(episodes: Sequence[Episode]) -> Any:
    plain = json.dumps([replace(episode, fingerprint="").to_json() for episode in episodes])
    return timeless(json.loads(plain))


@pytest.mark.parametrize("width", [1, 3, 12])
def test_records_are_those_of_playing_in_step(width: int) -> None:
    backend = Stream()
    assert content(play(backend, width)) == content(play(noisy_agent(), 4))
    assert backend.most <= 2 * width
    assert backend.flying == {}


def test_a_stream_that_fails_now_and_then_costs_nothing() -> None:
    backend = Stream(failing=(3, 4, 11, 30))
    assert content(play(backend, 4)) == content(play(noisy_agent(), 4))


def test_a_bad_request_costs_its_own_episode_only() -> None:
    poison = f"{PANEL.key(PANEL.tasks[2].id)}|cot"
    episodes = play(Stream(poison=poison), 4)
    bad = [e for e in episodes if e.status is Status.BACKEND_ERROR]
    assert [(str(e.task_key), e.mode) for e in bad] == [tuple(poison.split("|"))]
    assert "poisoned" in str(bad[0].error)
    rest = [e for e in episodes if e not in bad]
    assert content(rest) == content([e for e in play(noisy_agent(), 4) if e.id != bad[0].id])


def test_leaving_a_run_leaves_nothing_in_flight() -> None:
    backend = Stream()
    agent = Agent("it", "it", backend)
    running = played(agent, jobs(6), DECODING, lambda key: SUITE.make(), width=4)
    next(running)
    assert backend.flying
    running.close()
    assert not backend.flying


def test_a_model_s_records_do_not_depend_on_the_width() -> None:
    torch.set_num_threads(1)
    tokenizer = train_tokenizer()
    tokenizer.chat_template = PLAIN
    sizes = {**SIZES, "max_position_embeddings": 4096}
    model = random_model("llama", sizes, len(tokenizer), tokenizer.eos_token_id)
    found = []
    for rows, width in ((1, 1), (3, 3), (2, 5), (8, 8)):
        backend = TransformersBackend(model, tokenizer, "", rows)
        played = play(backend, width, 3, limit=4)
        assert all(episode.status.scored for episode in played)
        texts = [
            (step.decision.raw, [shadow.raw for shadow in step.shadows.values()])
            for episode in played
            for step in episode.steps
        ]
        found.append(texts)
    assert all(texts == found[0] for texts in found)

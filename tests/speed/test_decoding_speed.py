"""The slot cache, padded and continuous batches, and `generate`, timed on the same requests.

`python -m tools.decoding_speed` prints the ratios in one table, for any local model.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from cotgap.agents.agent import Agent
from cotgap.agents.decoding.backend import TransformersBackend
from cotgap.agents.modes import modes
from cotgap.envs.registry import get_panel
from tools.decoding_speed.games import GameRequests, play_game, tiny_agent
from tools.decoding_speed.ways import PaddedBatches, continuous, generate, in_step, streamed

GROUP = "two household games in both modes"


@pytest.fixture(scope="module")
def backend() -> TransformersBackend:
    torch.set_num_threads(1)
    made = tiny_agent("household/id").backend
    assert isinstance(made, TransformersBackend)
    return made


@pytest.fixture(scope="module")
def games(backend: TransformersBackend) -> Sequence[GameRequests]:
    panel, agent = get_panel("household/id"), Agent("tiny", "tiny", backend)
    keys = [panel.key(task.id) for task in panel.tasks[:2]]
    limits = {"prompt": 12, "cot": 48}
    return [play_game(agent, key, driver, 6, limits) for key in keys for driver in modes()]


@pytest.mark.benchmark(group=GROUP)
def test_slot_cache(
    benchmark: BenchmarkFixture, backend: TransformersBackend, games: Sequence[GameRequests]
) -> None:
    def fresh() -> tuple[
        tuple[TransformersBackend, Sequence[GameRequests], int], dict[str, object]
    ]:
        made = TransformersBackend(backend.model, backend.renderer.tokenizer, "")
        return (made, games, made.batch_size), {}

    benchmark.pedantic(streamed, setup=fresh, rounds=3)


@pytest.mark.benchmark(group=GROUP)
def test_padded_batches(
    benchmark: BenchmarkFixture, backend: TransformersBackend, games: Sequence[GameRequests]
) -> None:
    plain = PaddedBatches(backend.model, backend.renderer.tokenizer, "")
    benchmark.pedantic(in_step, (plain, games), rounds=3)


@pytest.mark.benchmark(group=GROUP)
def test_continuous_batching(
    benchmark: BenchmarkFixture, backend: TransformersBackend, games: Sequence[GameRequests]
) -> None:
    answers = streamed(backend, games, backend.batch_size)
    texts = benchmark.pedantic(
        continuous, (backend, games, answers, backend.batch_size), rounds=3, warmup_rounds=1
    )
    assert texts == [answer.text for answer in answers]


@pytest.mark.benchmark(group=GROUP)
def test_generate(
    benchmark: BenchmarkFixture, backend: TransformersBackend, games: Sequence[GameRequests]
) -> None:
    requests = [one for states in games for state in states for one in state]
    pairs = list(zip(requests, streamed(backend, games, backend.batch_size), strict=True))

    def one_by_one() -> list[str]:
        return [generate(backend, *pair) for pair in pairs]

    texts = benchmark.pedantic(one_by_one, rounds=1)
    assert texts == [answer.text for _, answer in pairs]

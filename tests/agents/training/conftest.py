"""Expert episodes of the toy suite, and tokenizers that have little in common."""

from __future__ import annotations

from typing import Any, cast

import pytest

from cotgap.agents.decoding.backend import TransformersBackend
from cotgap.agents.rendering import Renderer
from cotgap.agents.training.data import Episode, play
from cotgap.agents.training.vocabulary import train_tokenizer
from cotgap.envs.toy import SUITE


def toy_episodes(count: int, *, noise: float = 0.3) -> list[Episode]:
    env = SUITE.make(SUITE.panel("train"), list_actions=False)
    tasks = [task.id for task in env.panel.tasks[:count]]
    played = (play(env, task, noise=noise, seed=1) for task in tasks)
    return [episode for episode in played if episode is not None]


@pytest.fixture(scope="session")
def episodes() -> list[Episode]:
    """Won episodes of toy/train, some with random actions."""
    return toy_episodes(12)


@pytest.fixture(scope="session")
def own_tokenizer(episodes: list[Episode]) -> Any:
    """What `tiny` would use: tags are single tokens."""
    texts = [message["content"] for one in episodes for message in one.to_json()["messages"]]
    return train_tokenizer(texts)


@pytest.fixture(params=["own", "qwen3-like", "smollm2"])
def renderer(request: pytest.FixtureRequest) -> Renderer:
    """Our own vocabulary; one that splits action tags; SmolLM2's, which splits all tags."""
    if request.param == "own":
        return Renderer(request.getfixturevalue("own_tokenizer"), 4096)
    name = "tiny" if request.param == "qwen3-like" else "smollm2"
    found = request.getfixturevalue(name)
    backend = found if isinstance(found, TransformersBackend) else found.backend
    return cast(TransformersBackend, backend).renderer

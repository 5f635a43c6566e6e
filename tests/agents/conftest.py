"""Agents of a tiny real checkpoint and of SmolLM2."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from typing import Any

import pytest

from cotgap.agents.agent import Agent
from cotgap.agents.checkpoints import smollm2_path
from cotgap.agents.decoding.backend import TransformersBackend
from cotgap.agents.rendering import Renderer
from cotgap.agents.specs import make_agent
from cotgap.envs.core import CoTGapError


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Models this small wait for each other's threads longer than they compute."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_agent(tiny: TransformersBackend) -> Agent:
    """An agent of the tiny checkpoint."""
    return Agent("tiny", "tiny", tiny)


@pytest.fixture(scope="session")
def render_with(tiny: TransformersBackend) -> Callable[..., Renderer]:
    """Makes a renderer of the tiny tokenizer under another template."""

    def make(template: str, context: int = 100_000) -> Renderer:
        tokenizer: Any = copy.deepcopy(tiny.renderer.tokenizer)
        tokenizer.chat_template = template
        return Renderer(tokenizer, context)

    return make


@pytest.fixture(scope="session")
def smollm2() -> Agent:
    """SmolLM2-135M-Instruct; its first use on a machine unpacks it, which takes half a minute."""
    try:
        smollm2_path()
    except CoTGapError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    return make_agent("smollm2", device="cpu")

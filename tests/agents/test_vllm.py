"""A real vLLM on the CPU serving SmolLM2: prompts as token ids, prefills, the same decisions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from cotgap.agents.agent import Agent
from cotgap.agents.checkpoints import smollm2_path
from cotgap.agents.decoding.loading import converted
from cotgap.agents.fingerprint import fingerprint
from cotgap.agents.serving.backend import OpenAIBackend
from cotgap.agents.specs import make_agent
from cotgap.envs.core import CoTGapError
from tests.servers import vllm_cpu

from .test_openai import play, replies

pytestmark = pytest.mark.vllm


@pytest.fixture(scope="module")
def folder(smollm2: Agent) -> Path:
    """SmolLM2 as a checkpoint folder."""
    path = smollm2_path()
    return converted(path, fingerprint(path))


@pytest.fixture(scope="module")
def url(vllm: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("vllm") / "log"
    # Compiling would take longer than the tests do.
    options = ("--max-model-len", "2048", "--enforce-eager", "--enable-prompt-tokens-details")
    with vllm_cpu.serve(vllm, folder, log, *options) as url:
        yield url


def test_decisions_are_the_local_backend_s(url: str, folder: Path, smollm2: Agent) -> None:
    served = make_agent(f"openai:{url}", tokenizer=folder)
    try:
        said = served.describe()
        assert (said["name"], said["model"], said["context"]) == ("served", "served", 2048)
        assert said["server_version"].startswith(vllm_cpu.VLLM)
        assert (said["prompts"], said["stops"]) == ("token ids", "told")
        assert served.notice == ""
        decided = play(served.backend, 2, steps=3, tokens=16)
    finally:
        served.close()
    assert replies(decided) == replies(play(smollm2.backend, 2, steps=3, tokens=16))
    assert any(step.decision.action for episode in decided for step in episode.steps)
    assert any(e.usage.cached_tokens for e in decided), "the server reuses what it has read"


def test_chats_are_prefilled(url: str) -> None:
    served = make_agent(f"openai:{url}#served")
    try:
        assert served.describe()["prefills"] is True
        assert (str(served.protocol), served.notice) == ("tags-1", "")
        # It continues the tag: it does not open another.
        decided = play(cast(OpenAIBackend, served.backend), 1, steps=2, tokens=16)
        texts = [step.decision.raw for episode in decided for step in episode.steps]
        assert all(text.count("<action>", 0, 16) <= 1 for text in texts)
        assert any(step.decision.action for episode in decided for step in episode.steps)
    finally:
        served.close()


def test_models_that_are_not_served(url: str) -> None:
    with pytest.raises(CoTGapError, match="serves no model 'other'; it lists 'served'"):
        make_agent(f"openai:{url}#other")

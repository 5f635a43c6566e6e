"""Attribution against what a model itself computes, without caches, chunks or repetition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from cotgap.agents.agent import Agent
from cotgap.agents.attribution import PARTS, Part, attention_shares, gradient_shares, sequence

from .architectures import SERVED, random_model

IDS = [(3 + 11 * n * n) % 90 for n in range(60)]
PARTS_OF: list[Part] = (
    ["template"] * 4 + ["prompt"] * 28 + ["template"] * 3 + ["reasoning"] * 16 + ["template"] * 3
) + ["action"] * 6
START = 54


@pytest.fixture(params=["llama", "qwen3", "gemma3_text", "gpt2", "mistral"])
def model(request: pytest.FixtureRequest) -> Any:
    kind, sizes = SERVED[request.param]
    return random_model(kind, sizes, vocabulary=100, end=99)


def sums(amounts: torch.Tensor, parts: Sequence[Part]) -> dict[Part, float]:
    """Share of each part, one loop over tokens."""
    return {
        part: sum(float(a) for a, p in zip(amounts, parts, strict=False) if p == part)
        for part in PARTS
    }


@pytest.mark.parametrize("chunk", [7, 512])
def test_attention_is_the_models_own(model: Any, chunk: int) -> None:
    found = attention_shares(model, IDS, PARTS_OF, START, chunk)
    model.set_attn_implementation("eager")
    with torch.no_grad():
        out = model(input_ids=torch.tensor([IDS]), output_attentions=True, use_cache=False)
    assert len(found) == len(out.attentions) == 3
    for mine, layer in zip(found, out.attentions, strict=True):
        rows = layer[0, :, START - 1 : -1].mean(dim=(0, 1))
        assert mine == pytest.approx(sums(rows, PARTS_OF), abs=1e-5)
        assert sum(mine.values()) == pytest.approx(1, abs=1e-4)


def test_gradients_are_autograds(model: Any) -> None:
    found = gradient_shares(model, IDS, PARTS_OF, START)
    embeddings = model.get_input_embeddings()(torch.tensor([IDS])).detach().requires_grad_()
    logits = _from_embeddings(model, embeddings)[0]
    chances = torch.log_softmax(logits, -1)
    total = sum(chances[at - 1, IDS[at]] for at in range(START, len(IDS)))
    (gradient,) = torch.autograd.grad(total, [embeddings])
    norms = gradient[0].norm(dim=-1)
    assert len(found) == 1 + 3
    assert found[0] == pytest.approx(sums(norms / norms.sum(), PARTS_OF), abs=1e-5)


def test_gradients_of_each_layer_are_those_of_a_change_there(model: Any) -> None:
    """The last layer's input, checked by adding a leaf to it."""
    if type(model).__name__ != "LlamaForCausalLM":
        pytest.skip("one architecture is enough")
    found = gradient_shares(model, IDS, PARTS_OF, START)
    leaf = torch.zeros(1, len(IDS), model.config.hidden_size, requires_grad=True)
    hook = model.model.layers[-1].register_forward_pre_hook(
        lambda module, arguments: (arguments[0] + leaf, *arguments[1:])
    )
    chances = torch.log_softmax(model(input_ids=torch.tensor([IDS])).logits[0], -1)
    hook.remove()
    total = sum(chances[at - 1, IDS[at]] for at in range(START, len(IDS)))
    (gradient,) = torch.autograd.grad(total, [leaf])
    norms = gradient[0].norm(dim=-1)
    assert found[-1] == pytest.approx(sums(norms / norms.sum(), PARTS_OF), abs=1e-5)


def test_the_model_is_left_as_it_was(model: Any) -> None:
    before = model.config._attn_implementation
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([IDS])).logits
    attention_shares(model, IDS, PARTS_OF, START)
    gradient_shares(model, IDS, PARTS_OF, START)
    assert model.config._attn_implementation == before
    with torch.no_grad():
        assert torch.equal(model(input_ids=torch.tensor([IDS])).logits, logits)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_sequence_is_the_prompt_and_the_reply(tiny_agent: Agent) -> None:
    talk = tiny_agent.dialogue("Rules.")
    talk.observe("You see a desk 1.", None)
    talk.act("look", None)
    talk.observe("It is dark.", None)
    renderer = tiny_agent.backend.renderer
    assert renderer is not None
    ids, parts, start = sequence(
        talk.segments(), "I go. So I go east.", "go east", tiny_agent.tags, renderer
    )
    text = renderer.decode(ids)
    assert text.endswith("<think>I go. So I go east.</think>\n<action>go east")
    spelled = {
        part: renderer.decode([i for i, p in zip(ids, parts, strict=True) if p == part])
        for part in PARTS
    }
    assert spelled["action"] == "go east" == renderer.decode(ids[start:])
    assert spelled["reasoning"] == "I go. So I go east."
    assert "You see a desk 1.look" in spelled["prompt"]
    assert "<action>" in spelled["template"]
    assert "desk" not in spelled["template"]


def _from_embeddings(model: Any, embeddings: torch.Tensor) -> torch.Tensor:
    logits: torch.Tensor = model(inputs_embeds=embeddings, use_cache=False).logits
    return logits

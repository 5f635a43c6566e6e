"""Whatever way a model is decoded, replies are those of `generate` on one row."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from cotgap.agents.core import BackendError, Request
from cotgap.agents.decoding import fit as trial
from cotgap.agents.decoding.backend import TransformersBackend
from cotgap.envs.core import CoTGapError

from .architectures import SIZES, TRICKY, random_model
from .reference import generated
from .templates import PLAIN, train_tokenizer

TOKENS = 10


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    made = train_tokenizer()
    made.chat_template = PLAIN
    made.model_max_length = 1024
    return made


def made(tokenizer: Any, name: str) -> tuple[Any, str]:
    kind, sizes, decoding = TRICKY[name]
    return random_model(kind, sizes, len(tokenizer), tokenizer.eos_token_id), decoding


def requests(vocabulary: int) -> list[Request]:
    """Prompts of unlike lengths, some of which begin alike."""
    dice = torch.Generator().manual_seed(3)
    ids = torch.randint(3, vocabulary, (2000,), generator=dice).tolist()
    common = ids[:400]
    prompts = [ids[:300], ids[500:1200], [*common, *ids[1200:1210]], [*common, *ids[1300:1600]]]
    prompts += [[*common, *ids[1600:1650]], ids[1700:1720]]
    return [Request((), "", (), TOKENS, "prompt", token_ids=tuple(prompt)) for prompt in prompts]


@pytest.mark.parametrize("name", TRICKY)
def test_replies_are_those_of_generate(tokenizer: Any, name: str) -> None:
    model, decoding = made(tokenizer, name)
    asked = requests(len(tokenizer))
    # Before: some rotary embeddings remember the longest row that they met.
    backend = TransformersBackend(model, tokenizer, "", 6)
    expected = [generated(backend, one) for one in asked]
    assert len(set(expected)) > 3
    said = backend.describe()
    assert said["decoding"] == decoding, said
    assert [one.text for one in backend.complete(asked)] == expected
    assert [one.text for one in backend.complete(asked[::-1])][::-1] == expected
    assert bool(said.get("no_slots_because")) is (decoding != "slots")


# Faults that no known architecture has, each put into one that has none.


class Faulty:
    """A Llama of which every pass goes wrong in some circumstance."""

    def __init__(self, model: Any) -> None:
        self.real = model
        self.forward = model.forward
        model.forward = self.pass_

    def wrong(self, inputs: dict[str, Any]) -> bool:
        raise NotImplementedError

    def pass_(self, **inputs: Any) -> Any:
        out = self.forward(**inputs)
        if self.wrong(inputs):
            out.logits = out.logits.roll(1, dims=-1)
        return out


class Company(Faulty):
    """Depends on how many rows are read together, as with a limited capacity of experts."""

    def wrong(self, inputs: dict[str, Any]) -> bool:
        return len(inputs["input_ids"]) > 1


class Sharing(Faulty):
    """Depends on whether a beginning is read together."""

    def wrong(self, inputs: dict[str, Any]) -> bool:
        reading = getattr(inputs.get("attention_mask"), "reading", None)
        return reading is not None and reading.common > 0


class Reach(Faulty):
    """Depends on how far the longest row reaches, beyond what configuration tells."""

    def wrong(self, inputs: dict[str, Any]) -> bool:
        mask = inputs.get("attention_mask")
        return mask is not None and mask.dim() == 4 and mask.shape[-1] > 500


class Pads(Faulty):
    """Takes no rows of unlike lengths."""

    def wrong(self, inputs: dict[str, Any]) -> bool:
        mask = inputs.get("attention_mask")
        return mask is not None and mask.dim() == 2 and bool((mask == 0).any())


class Slots(Faulty):
    """Takes no mask of one's own."""

    def wrong(self, inputs: dict[str, Any]) -> bool:
        mask = inputs.get("attention_mask")
        return mask is not None and mask.dim() == 4


@pytest.mark.parametrize(
    ("faults", "decoding", "shares"),
    [
        ((), "slots", True),
        ((Sharing,), "slots", False),
        ((Reach,), "batches", None),
        ((Slots,), "batches", None),
        ((Company,), "single rows", None),
        ((Slots, Pads), "single rows", None),
    ],
)
def test_a_way_that_goes_wrong_is_not_used(
    tokenizer: Any, faults: tuple[type[Faulty], ...], decoding: str, shares: bool | None
) -> None:
    model = random_model("llama", SIZES, len(tokenizer), tokenizer.eos_token_id)
    plain = TransformersBackend(model, tokenizer, "", 6)
    asked = requests(len(tokenizer))
    expected = [one.text for one in plain.complete(asked)]
    for fault in faults:
        fault(model)
    backend = TransformersBackend(model, tokenizer, "", 6)
    assert backend.describe()["decoding"] == decoding
    assert [one.text for one in backend.complete(asked)] == expected
    if shares is not None:
        assert trial.fit(model).shares is shares


def test_narrow_values_may_share_a_beginning(tokenizer: Any) -> None:
    model, _ = made(tokenizer, "deepseek_v3")
    assert trial.fit(model).shares


def test_windows_too_long_to_try_are_not_trusted(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = made(tokenizer, "mistral")
    asked = requests(len(tokenizer))
    monkeypatch.setattr(trial, "MEMORY", 1000)
    monkeypatch.setattr(trial, "OPERATIONS", {"cpu": 1e6})
    backend = TransformersBackend(model, tokenizer, "", 6)
    said = backend.describe()
    assert said["decoding"] == "single rows"
    assert "its window of 256 tokens is too long to be tried" in said["no_slots_because"]
    expected = [generated(backend, one) for one in asked]
    assert [one.text for one in backend.complete(asked)] == expected


def test_generation_settings_of_a_checkpoint_change_nothing(tokenizer: Any) -> None:
    model, _ = made(tokenizer, "gpt_neo")
    backend = TransformersBackend(model, tokenizer, "", 6)
    asked = requests(len(tokenizer))[:2]
    expected = [one.text for one in backend.complete(asked)]
    model.generation_config.repetition_penalty = 5.0
    model.generation_config.suppress_tokens = list(range(100))
    settings = model.generation_config
    assert [one.text for one in backend.complete(asked)] == expected
    assert model.generation_config is settings


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_hidden_window_is_found_in_any_precision(tokenizer: Any, dtype: torch.dtype) -> None:
    model, _ = made(tokenizer, "gpt_neo")
    with pytest.raises(trial.UnfitError, match="logits are off"):
        trial.fit(model.to(dtype))


# Models that cannot answer.


def test_a_context_that_the_model_does_not_have(tokenizer: Any) -> None:
    model, _ = made(tokenizer, "opt")
    model.config.max_position_embeddings = 2048
    tokenizer = train_tokenizer()
    tokenizer.chat_template = PLAIN
    with pytest.raises(CoTGapError, match=r"a context of 2048 tokens, .* fails at position 2047"):
        TransformersBackend(model, tokenizer, "", 2)


def test_a_model_that_fails_is_refused(tokenizer: Any) -> None:
    model = random_model("llama", SIZES, len(tokenizer), tokenizer.eos_token_id)
    model.model.layers[1].mlp.up_proj.weight.data = torch.zeros(5, 5)
    with pytest.raises(CoTGapError, match=r"LlamaForCausalLM cannot be run here: .*RuntimeError"):
        TransformersBackend(model, tokenizer, "", 2)


def test_tokens_that_the_model_does_not_know(tokenizer: Any) -> None:
    model = random_model("llama", SIZES, len(tokenizer), tokenizer.eos_token_id)
    backend = TransformersBackend(model, tokenizer, "", 2)
    stray = Request((), "", (), 4, "prompt", token_ids=(5, len(tokenizer)))
    with pytest.raises(BackendError, match="holds token 385, but the model knows 385"):
        backend.complete([stray])

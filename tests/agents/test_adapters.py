"""An adapter is what PEFT makes of it, or refused."""

from __future__ import annotations

import copy
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import IA3Config, LoraConfig, PeftModel, PromptTuningConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from cotgap.agents.decoding.backend import TransformersBackend
from cotgap.agents.fingerprint import both, fingerprint
from cotgap.envs.core import CoTGapError

from .templates import PLAIN, save_checkpoint

WEIGHTS = "adapter_model.safetensors"
IDS = [[5, 17, 60, 201, 33, 8, 8, 120]]
LINEAR = ["q_proj", "up_proj"]


def lora(**options: Any) -> LoraConfig:
    chosen = {"r": 4, "lora_alpha": 16, "target_modules": LINEAR, "task_type": "CAUSAL_LM"}
    return LoraConfig(**{**chosen, **options})


KINDS: dict[str, Callable[[], Any]] = {
    "LoRA": lora,
    "rsLoRA": lambda: lora(use_rslora=True),
    "DoRA": lambda: lora(use_dora=True),
    "biases": lambda: lora(bias="lora_only", lora_bias=True),
    "patterns": lambda: lora(rank_pattern={"q_proj": 8}, alpha_pattern={"up_proj": 3}),
    "one layer": lambda: lora(layers_to_transform=[1]),
    "head of a tied model": lambda: lora(target_modules=["lm_head"]),
    "embeddings of a tied model": lambda: lora(target_modules=["embed_tokens"]),
    "both ends of a tied model": lambda: lora(target_modules=["embed_tokens", "lm_head"]),
    "tied on purpose": lambda: lora(target_modules=["embed_tokens"], ensure_weight_tying=True),
    "embeddings saved whole": lambda: lora(modules_to_save=["embed_tokens"]),
    "head saved whole": lambda: lora(modules_to_save=["lm_head"]),
    "norm saved whole": lambda: lora(modules_to_save=["norm"]),
    "some tokens": lambda: lora(trainable_token_indices={"embed_tokens": [5, 17]}),
    "IA3": lambda: IA3Config(
        target_modules=["k_proj", "down_proj"],
        feedforward_modules=["down_proj"],
        task_type="CAUSAL_LM",
    ),
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    save_checkpoint(folder)
    return folder


def train(base: Path, folder: Path, config: Any, tokens: int | None = None) -> Path:
    """An adapter for a base, its parameters at random."""
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if tokens is not None:
        model.resize_token_embeddings(tokens, mean_resizing=False)
    adapted = get_peft_model(model, config)
    torch.manual_seed(7)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if weight.requires_grad or "trainable_tokens_delta" in name:
                weight += 0.3 * torch.randn_like(weight)
    adapted.peft_config["default"].base_model_name_or_path = str(base)
    adapted.save_pretrained(str(folder))
    return folder


def peft_logits(base: Path, folder: Path, tokens: int | None = None) -> torch.Tensor:
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if tokens is not None:
        model.resize_token_embeddings(tokens, mean_resizing=False)
    with torch.inference_mode():
        adapted = PeftModel.from_pretrained(model, str(folder)).eval()
        return adapted(input_ids=torch.tensor(IDS)).logits


def logits(backend: TransformersBackend) -> torch.Tensor:
    with torch.inference_mode():
        return backend.model(input_ids=torch.tensor(IDS)).logits


def opened(folder: Path) -> TransformersBackend:
    return TransformersBackend.open(folder, device="cpu", batch_size=2)


@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_those_of_peft(base: Path, tmp_path: Path, kind: str) -> None:
    folder = train(base, tmp_path / "adapter", KINDS[kind]())
    backend, expected = opened(folder), peft_logits(base, folder)
    found = logits(backend)
    assert float((found - expected).norm() / expected.norm()) < 1e-4
    plain = logits(opened(base))
    assert float((found - plain).norm() / plain.norm()) > 1e-2
    assert backend.describe()["decoding"] == "slots"
    assert backend.fingerprint == both(fingerprint(base), fingerprint(folder))


@pytest.fixture
def adapter(base: Path, tmp_path: Path) -> Path:
    return train(base, tmp_path / "adapter", lora())


def rename(weights: dict[str, Any]) -> dict[str, Any]:
    return {
        key.replace("model.layers", "model.language_model.layers"): weights[key] for key in weights
    }


def rename_one(weights: dict[str, Any]) -> dict[str, Any]:
    key = sorted(weights)[0]
    return {**weights, key.replace("_proj", "_projection"): weights[key] + 0}


def drop_a_layer(weights: dict[str, Any]) -> dict[str, Any]:
    return {key: weights[key] for key in weights if ".layers.1." not in key}


def drop_all(weights: dict[str, Any]) -> dict[str, Any]:
    return {}


def reshape(weights: dict[str, Any]) -> dict[str, Any]:
    key = sorted(weights)[0]
    return {**weights, key: weights[key][:, :3].contiguous()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (rename, r"8 fit nothing \(.*language_model.*, 8 are missing"),
        (rename_one, "1 fit nothing"),
        (drop_a_layer, r"0 fit nothing \(none\), 4 are missing .*layers\.1"),
        (drop_all, "8 are missing"),
        (reshape, "(?s)cannot load the adapter.*size mismatch"),
    ],
)
def test_tensors_that_fit_nothing_or_are_missing(
    adapter: Path, change: Callable[[dict[str, Any]], dict[str, Any]], message: str
) -> None:
    save_file(change(load_file(adapter / WEIGHTS)), adapter / WEIGHTS, {"format": "pt"})
    with pytest.raises(CoTGapError, match=message):
        opened(adapter)


def test_a_configuration_beside_an_adapter_is_no_model(base: Path, adapter: Path) -> None:
    shutil.copy(base / "config.json", adapter)
    assert torch.allclose(logits(opened(adapter)), peft_logits(base, adapter), atol=1e-4)


def test_an_adapter_in_a_model_s_folder_is_refused(base: Path, adapter: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        shutil.copy(base / name, adapter)
    with pytest.raises(CoTGapError, match=r"holds an adapter .* and a whole model"):
        opened(adapter)


def test_pickled_weights_are_refused(adapter: Path) -> None:
    torch.save(load_file(adapter / WEIGHTS), adapter / "adapter_model.bin")
    before = opened(adapter).fingerprint
    (adapter / WEIGHTS).rename(adapter / "other.safetensors")
    with pytest.raises(CoTGapError, match=r"only pickled weights.*no adapter_model\.safetensors"):
        opened(adapter)
    (adapter / "other.safetensors").rename(adapter / WEIGHTS)
    (adapter / "adapter_model.bin").unlink()
    assert opened(adapter).fingerprint == before


def test_an_adapter_on_itself_is_refused(adapter: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(adapter, tmp_path / "other"))
    for one, two in ((adapter, other), (other, adapter)):
        config = json.loads((one / "adapter_config.json").read_text())
        config["base_model_name_or_path"] = str(two)
        (one / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(CoTGapError, match="is its own base"):
        opened(adapter)


def test_an_adapter_on_an_adapter(base: Path, adapter: Path, tmp_path: Path) -> None:
    second = Path(shutil.copytree(adapter, tmp_path / "second"))
    config = json.loads((second / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = str(adapter)
    (second / "adapter_config.json").write_text(json.dumps(config))
    merged = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), str(adapter)
    ).merge_and_unload()
    with torch.inference_mode():
        twice = PeftModel.from_pretrained(merged, str(second)).eval()
        expected = twice(input_ids=torch.tensor(IDS)).logits
    backend = opened(second)
    assert torch.allclose(logits(backend), expected, atol=1e-3)
    inner = both(fingerprint(base), fingerprint(adapter))
    assert backend.fingerprint == both(inner, fingerprint(second))


def test_prompt_tuning_is_refused(base: Path, tmp_path: Path) -> None:
    config = PromptTuningConfig(num_virtual_tokens=4, task_type="CAUSAL_LM")
    folder = train(base, tmp_path / "adapter", config)
    with pytest.raises(CoTGapError, match="kind PROMPT_TUNING act on prompts"):
        opened(folder)


def test_modules_that_a_configuration_names_are_not_imported(adapter: Path) -> None:
    config = json.loads((adapter / "adapter_config.json").read_text())
    config |= {"megatron_config": {"a": 1}, "megatron_core": "antigravity"}
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(CoTGapError, match="makes PEFT import the module 'antigravity'"):
        opened(adapter)
    assert "antigravity" not in sys.modules


# The adapter's own tokenizer, template and tokens.


def test_an_adapter_s_template_goes_before_its_base_s(base: Path, adapter: Path) -> None:
    before = opened(adapter)
    (adapter / "chat_template.jinja").write_text(PLAIN.replace("<|im_end|>", "<|endoftext|>"))
    backend = opened(adapter)
    assert backend.renderer.framing.end == "<|endoftext|>\n"
    assert backend.fingerprint != before.fingerprint


def test_a_base_without_a_template_or_tokenizer(base: Path, adapter: Path, tmp_path: Path) -> None:
    bare = Path(shutil.copytree(base, tmp_path / "bare"))
    (bare / "chat_template.jinja").unlink()
    config = json.loads((adapter / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = str(bare)
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(CoTGapError, match="has no chat template"):
        opened(adapter)
    settings = {"chat_template": PLAIN}
    (adapter / "tokenizer_config.json").write_text(json.dumps(settings))
    assert opened(adapter).renderer.framing.end == "<|im_end|>\n"
    (adapter / "tokenizer_config.json").unlink()
    AutoTokenizer.from_pretrained(base).save_pretrained(adapter)
    (bare / "tokenizer.json").unlink()
    assert opened(adapter).renderer.framing.end == "<|im_end|>\n"


def with_tokens(base: Path, adapter: Path, *tokens: str) -> int:
    """Give an adapter the base's tokenizer with more tokens; how many there are."""
    tokenizer = copy.deepcopy(AutoTokenizer.from_pretrained(base))
    tokenizer.add_tokens(list(tokens), special_tokens=True)
    tokenizer.chat_template = PLAIN.replace("<|im_end|>", tokens[0])
    tokenizer.save_pretrained(adapter)
    return len(tokenizer)


@pytest.mark.parametrize("whole", [{}, {"modules_to_save": ["embed_tokens", "lm_head"]}])
def test_tokens_added_in_training(base: Path, tmp_path: Path, whole: dict[str, Any]) -> None:
    folder = tmp_path / "adapter"
    tokens = with_tokens(base, folder, "<|turn_end|>", "<|more|>")
    train(base, folder, lora(**whole), tokens)
    backend = opened(folder)
    assert backend.model.get_input_embeddings().num_embeddings == tokens
    assert backend.renderer.turn_end == tokens - 2
    assert torch.allclose(logits(backend), peft_logits(base, folder, tokens), atol=1e-4)


def test_added_tokens_without_embeddings_are_refused(base: Path, adapter: Path) -> None:
    with_tokens(base, adapter, "<|turn_end|>")
    with pytest.raises(CoTGapError, match=r"token 385 .*'<\|turn_end\|>'.* 385 tokens"):
        opened(adapter)


def test_what_decides_the_weights_is_in_the_fingerprint(adapter: Path) -> None:
    seen = {opened(adapter).fingerprint}
    weights = load_file(adapter / WEIGHTS)
    key = sorted(weights)[0]
    save_file({**weights, key: weights[key] + 1}, adapter / WEIGHTS, {"format": "pt"})
    seen.add(opened(adapter).fingerprint)
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps({**config, "lora_alpha": 17}))
    seen.add(opened(adapter).fingerprint)
    assert len(seen) == 3

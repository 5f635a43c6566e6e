"""Adapters: a folder with `adapter_config.json` that changes a base model found elsewhere.

An adapter is what PEFT makes of it. It is merged into the base's weights, which decodes faster,
where the merged model gives PEFT's own logits; otherwise PEFT's layers stay.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cotgap.agents.checkpoints import smollm2_path
from cotgap.agents.decoding.weights import check_files, check_no_pointer, tensors_in
from cotgap.envs.core import CoTGapError

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
PICKLED = "adapter_model.bin"
TRAINED = ".modules_to_save."
TEMPLATE = "chat_template.jinja"
# Relative error of logits that adding a product to a matrix may make, as in `decoding.fit`.
EXACT, ROUGH = 1e-3, 0.1
SAMPLE = 12  # tokens that merging is checked on


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter; raises `CoTGapError` where it holds a whole model too."""
    if not (folder / CONFIG).is_file():
        return False
    others = sorted(path.name for path in folder.glob("*.safetensors") if path.name != WEIGHTS)
    if (folder / "config.json").is_file() and others:
        raise CoTGapError(
            f"{folder} holds an adapter ({CONFIG}) and a whole model (config.json, {others[0]}). "
            "Put them into folders of their own, and give the one that is meant"
        )
    return True


def check_folder(folder: Path, chain: Sequence[Path]) -> None:
    """Raise `CoTGapError` for an adapter without safe weights, or one whose base is itself.

    `chain` are the adapters that are applied, this one the last.
    """
    if len({path.resolve() for path in chain}) < len(chain):
        raise CoTGapError(
            f"the adapter in {folder} is its own base. Write the folder of a whole model into "
            f"base_model_name_or_path of its {CONFIG}"
        )
    if not (folder / WEIGHTS).is_file():
        pickled = (folder / PICKLED).is_file()
        why = "only pickled weights, which can run code when loaded" if pickled else "no weights"
        raise CoTGapError(
            f"the adapter in {folder} has {why}: there is no {WEIGHTS}. Save it there as "
            "safetensors: model.save_pretrained(FOLDER, safe_serialization=True)"
        )
    check_files(folder)


def base_of(folder: Path) -> Path:
    """The checkpoint that an adapter was trained on.

    Its configuration names it: `smollm2`, or a folder (relative ones are looked for from the
    adapter's folder, then from the working directory). Raises `CoTGapError` where there is none.
    """
    check_no_pointer(folder / CONFIG)
    name = _read(folder / CONFIG).get("base_model_name_or_path")
    if name == "smollm2":
        return smollm2_path()
    for path in (folder / str(name), Path(str(name))):
        if name and path.exists():
            return path
    raise CoTGapError(
        f"the adapter in {folder} changes the base model {name!r}, which is not here. Write "
        f"'smollm2' or the base's folder into base_model_name_or_path of its {CONFIG}"
    )


def check_base(folder: Path, fingerprint: str) -> None:
    """Raise `CoTGapError` where the adapter's card names another base than this one."""
    card = folder / "card.json"
    parent = (_read(card).get("parent") if card.is_file() else None) or {}
    if parent.get("fingerprint", fingerprint) != fingerprint:
        raise CoTGapError(
            f"the adapter in {folder} was trained on {parent.get('name')} "
            f"{parent['fingerprint'][:12]}, but the base found here is {fingerprint[:12]}"
        )


def own_tokenizer(own: Any, folder: Path, base: Any) -> Any:
    """The tokenizer of an adapted model: the adapter's own (None: it has none) or its base's.

    A chat template in the adapter's folder goes before the base's, too.
    """
    tokenizer = base if own is None else own
    if tokenizer is None:
        return None
    template = _template(folder)
    if template is not None:
        tokenizer.chat_template = template
    elif tokenizer.chat_template is None and base is not None:
        tokenizer.chat_template = base.chat_template
    return tokenizer


def _template(folder: Path) -> Any:
    if (folder / TEMPLATE).is_file():
        return (folder / TEMPLATE).read_text(encoding="utf-8")
    config = folder / "tokenizer_config.json"
    return _read(config).get("chat_template") if config.is_file() else None


def applied(model: Any, folder: Path, *, merge: bool) -> Any:
    """The base model as the adapter changes it.

    With `merge`, the adapter is added to the weights; None where that gives other logits than PEFT
    does (and the base is spoilt). Raises `CoTGapError` for an adapter that does not fit the base.
    """
    import torch

    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")  # what they say is checked here
        torch.manual_seed(0)  # some kinds are initialised at random when they are opened
        _resize(model, folder)
        adapted = _open(model, folder)
        expected = _logits(adapted)
        if merge:
            _untie(adapted)
            try:
                made = adapted.merge_and_unload()
            except Exception:  # a kind of adapter that cannot be merged
                return None
            return made if _alike(made, expected) else None
    made = adapted.get_base_model()
    if not _alike(made, expected):
        raise CoTGapError(f"{_kind(adapted)} adapters change more than a model's layers")
    return made


def _open(model: Any, folder: Path) -> Any:
    """PEFT's model, with every tensor of the adapter in place."""
    from peft import PeftConfig, PeftModel

    config = PeftConfig.from_pretrained(str(folder))
    if config.is_prompt_learning or getattr(config, "alora_invocation_tokens", None):
        raise CoTGapError(
            f"adapters of kind {config.peft_type.value} act on prompts, not on weights, and cannot "
            "be served here"
        )
    if getattr(config, "megatron_config", None):
        raise CoTGapError(
            f"its megatron_config makes PEFT import the module {config.megatron_core!r}. Take it "
            f"out of {CONFIG}"
        )
    device = str(model.device)
    adapted = PeftModel.from_pretrained(model, str(folder), torch_device=device).eval()
    result = adapted.load_adapter(str(folder), "default", torch_device=device)
    adapted.eval()
    held = tensors_in(folder / WEIGHTS)
    # Embeddings of another size are saved twice, of which one is read.
    unread = {k for k in result.unexpected_keys if TRAINED in k and k.replace(TRAINED, ".") in held}
    stray = sorted(set(result.unexpected_keys) - unread)
    missing = sorted(result.missing_keys)
    if stray or missing:
        raise CoTGapError(
            f"its tensors do not fit this base: {len(stray)} fit nothing ({_first(stray)}), "
            f"{len(missing)} are missing ({_first(missing)}). Give the base that it was trained "
            "on, and save the adapter again with save_pretrained()"
        )
    return adapted


def _first(names: Sequence[str]) -> str:
    return f"{names[0]}, ..." if names else "none"


def _kind(adapted: Any) -> str:
    return str(adapted.peft_config["default"].peft_type.value)


def _resize(model: Any, folder: Path) -> None:
    """Give the base as many tokens as the adapter was trained with."""
    tensors = tensors_in(folder / WEIGHTS)
    current = model.get_input_embeddings().weight.shape[0]
    sizes, whole = set(), set()
    for name in _embeddings(model):
        for key, shape in tensors.items():
            if f".{name}." not in f".{key}":
                continue
            if key.endswith(".weight") and len(shape) == 2 and "lora_" not in key:
                sizes.add(shape[0])
                whole.add(name)
            elif "lora_embedding_A" in key:
                sizes.add(shape[1])
            elif "lora_B" in key:
                sizes.add(shape[0])
    if sizes <= {current}:
        return
    wanted = max(sizes)
    tied = model.config.get_text_config().tie_word_embeddings
    if len(sizes) > 1 or not whole or (len(whole) < 2 and not tied):
        raise CoTGapError(
            f"it was trained with {wanted} tokens and the base has {current}, but it does not "
            "bring the embeddings of the new ones. Save it with save_embedding_layers=True"
        )
    model.resize_token_embeddings(wanted, mean_resizing=False)


def _embeddings(model: Any) -> Iterator[str]:
    ends = [model.get_input_embeddings(), model.get_output_embeddings()]
    for name, module in model.named_modules():
        if any(module is end for end in ends):
            yield name


def _untie(adapted: Any) -> None:
    """Part weights that several modules share where the adapter is added to one of them."""
    import torch
    from peft.tuners.tuners_utils import BaseTunerLayer

    touched = {
        id(weight)
        for layer in adapted.modules()
        if isinstance(layer, BaseTunerLayer)
        for weight in layer.get_base_layer().parameters(recurse=False)
    }
    seen: set[int] = set()
    for module in adapted.modules():
        for name, weight in list(module._parameters.items()):
            if weight is None or id(weight) not in touched:
                continue
            if id(weight) in seen:
                copy = torch.nn.Parameter(weight.detach().clone(), requires_grad=False)
                module._parameters[name] = copy
                adapted.config.get_text_config().tie_word_embeddings = False
                adapted.config.tie_word_embeddings = False
            seen.add(id(weight))


def _logits(model: Any) -> Any:
    """Logits of some tokens, in float32."""
    import torch

    vocabulary = model.get_input_embeddings().weight.shape[0]
    dice = torch.Generator().manual_seed(SAMPLE)
    ids = torch.randint(vocabulary, (1, SAMPLE), generator=dice).to(model.device)
    with torch.inference_mode():
        return model(input_ids=ids, use_cache=False).logits.float()


def _alike(model: Any, expected: Any) -> bool:
    import torch

    error = float((_logits(model) - expected).norm() / expected.norm())
    return error <= (EXACT if model.dtype == torch.float32 else ROUGH)


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise CoTGapError(f"cannot read {path}: {error}") from error

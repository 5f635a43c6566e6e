"""Opens checkpoints: a folder of safetensors or a GGUF file, never remote code or pickles."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cotgap.agents.decoding.adapters import base_of, both, check_base, is_adapter, merged
from cotgap.agents.fingerprint import fingerprint
from cotgap.envs.cache import VARIABLE, cache_dir
from cotgap.envs.core import CoTGapError

DTYPES = ("float32", "bfloat16")
INSTALL = {
    "torch": "pip install 'torch>=2.4'",
    "transformers": "pip install 'transformers>=4.56'",
    "gguf": "pip install 'gguf>=0.10'",
    "accelerate": "pip install 'accelerate>=1.0'",
    "peft": "pip install 'peft>=0.15'",
}
# Neither remote code nor a name on a hub: what is loaded is what was fingerprinted.
LOCAL: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")


def require(*modules: str) -> None:
    """Raise `CoTGapError` with the install command for the first module that is missing."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise CoTGapError(f"{module} is not installed. To fix it: {INSTALL[module]}")


def resolve_device(name: str | None) -> str:
    """A torch device; `None` or `auto` is CUDA where there is any, else the CPU.

    Raises `CoTGapError` for an unknown or absent device.
    """
    import torch

    kind, _, index = (name or "auto").partition(":")
    found = torch.cuda.device_count()
    if kind == "auto" and not index:
        return "cuda" if found else "cpu"
    if kind == "cpu" and not index:
        return "cpu"
    if kind != "cuda" or (index and not index.isdigit()):
        raise CoTGapError(f"unknown device {name!r}: give auto, cpu, cuda or cuda:N")
    if int(index or 0) >= found:
        raise CoTGapError(f"device {name!r} is not here: torch sees {found} CUDA devices. Use cpu")
    return f"cuda:{index}" if index else "cuda"


def resolve_dtype(name: str | None, device: str) -> str:
    """`float32` or `bfloat16`; `None` is float32 on the CPU and bfloat16 on CUDA."""
    if name is None:
        return "float32" if device == "cpu" else "bfloat16"
    if name not in DTYPES:
        raise CoTGapError(f"unknown dtype {name!r}: give {' or '.join(DTYPES)}")
    return name


def load(path: Path, *, dtype: str, device: str) -> tuple[Any, Any, str]:
    """(model in eval mode, tokenizer, fingerprint) of a checkpoint.

    Raises `CoTGapError` that says what is missing or wrong and how to mend it.
    """
    require("torch", "transformers")
    if not path.exists():
        raise CoTGapError(f"there is no checkpoint at {path}: give a folder or a .gguf file")
    if is_adapter(path):
        return _load_adapted(path, dtype, device)
    if path.is_dir():
        check_folder(path)
        identity, folder = fingerprint(path), path
    else:
        check_gguf(path)
        identity = fingerprint(path)
        folder = converted(path, identity)
    try:
        with quiet():
            return *_load_folder(folder, dtype, device), identity
    except CoTGapError:
        raise
    except Exception as error:  # whatever a damaged or foreign checkpoint makes a library raise
        raise CoTGapError(
            f"cannot load the checkpoint {path}: {type(error).__name__}: {error}"
        ) from error


def _load_adapted(folder: Path, dtype: str, device: str) -> tuple[Any, Any, str]:
    """`load` of an adapter's folder: its base with it merged in, and the fingerprint of both."""
    require("peft")
    _check_weights(folder)
    model, tokenizer, base = load(base_of(folder), dtype=dtype, device=device)
    check_base(folder, base)
    try:
        with quiet():
            model = merged(model, folder).eval()
    except Exception as error:  # as for whole checkpoints
        raise CoTGapError(
            f"cannot load the adapter {folder}: {type(error).__name__}: {error}"
        ) from error
    return model, tokenizer, both(base, fingerprint(folder))


def check_folder(folder: Path) -> None:
    """Raise `CoTGapError` unless config, safetensors and tokenizer are there."""
    if not (folder / "config.json").is_file():
        raise CoTGapError(
            f"{folder} is no checkpoint: it has no config.json. "
            "Give the folder that a model was saved to with save_pretrained()"
        )
    _check_weights(folder)
    check_tokenizer(folder)


def _check_weights(folder: Path) -> None:
    if not any(folder.glob("*.safetensors")):
        pickled = any(folder.glob("*.bin")) or any(folder.glob("*.pt"))
        why = "only pickled weights, which can run code when loaded" if pickled else "no weights"
        raise CoTGapError(
            f"{folder} has {why}. Save the model there as safetensors: "
            "model.save_pretrained(FOLDER, safe_serialization=True)"
        )


def check_tokenizer(folder: Path) -> None:
    """Raise `CoTGapError` unless a tokenizer is there."""
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise CoTGapError(
            f"{folder} has no tokenizer (none of {', '.join(TOKENIZER_FILES)}). "
            "Save it there: tokenizer.save_pretrained(FOLDER)"
        )


def check_gguf(path: Path) -> None:
    """Raise `CoTGapError` unless this is a GGUF file and it can be read here."""
    with path.open("rb") as file:
        magic = file.read(4)
    if magic != b"GGUF":
        raise CoTGapError(
            f"{path} is not a GGUF file (it begins with {magic!r}). "
            "Give a .gguf file, or the folder of a checkpoint"
        )
    require("gguf", "accelerate")


def converted(path: Path, digest: str) -> Path:
    """A GGUF file as a checkpoint folder of float32 safetensors in the cache, made if need be.

    Unpacking takes a hundred times longer than loading the result, so it is done once per file
    content and transformers version (whose converters may change).
    """
    import transformers

    folder = cache_dir() / "gguf" / f"{digest[:32]}-{transformers.__version__}"
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise _no_room(path, folder, error) from error
    try:
        _convert(path, scratch)
        _publish(scratch, folder)
    except OSError as error:
        raise _no_room(path, folder, error) from error
    except Exception as error:
        raise CoTGapError(
            f"cannot read {path}: {type(error).__name__}: {error}. The file may be cut short or "
            "of an architecture that this version of transformers cannot convert"
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


def _convert(path: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    options: dict[str, Any] = {"gguf_file": path.name, "local_files_only": True}
    tokenizer = AutoTokenizer.from_pretrained(path.parent, **options)
    with contextlib.suppress(ImportError):  # newer versions keep blocks packed unless told not to
        from transformers import GgufConfig

        options["quantization_config"] = GgufConfig(dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(path.parent, dtype=torch.float32, **options)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _publish(scratch: Path, folder: Path) -> None:
    """Move a finished folder into place in one step; another process may have been first."""
    try:
        os.replace(scratch, folder)
    except OSError:
        if not folder.is_dir():
            raise


def _no_room(path: Path, folder: Path, error: OSError) -> CoTGapError:
    return CoTGapError(
        f"cannot unpack {path} to {folder.parent} (up to 8 times its size): {error}. "
        f"Free some space, or set {VARIABLE} to another folder"
    )


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer in a folder; raises `CoTGapError` where it has no chat template."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, **LOCAL)
    if tokenizer.chat_template is None:
        raise CoTGapError(
            f"{folder} has no chat template (a base model?). Put the template that the model was "
            "trained with into chat_template.jinja there"
        )
    return tokenizer


def _load_folder(folder: Path, dtype: str, device: str) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForCausalLM

    tokenizer = load_tokenizer(folder)
    model, report = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=getattr(torch, dtype),
        use_safetensors=True,
        output_loading_info=True,
        **LOCAL,
    )
    if missing := sorted(report["missing_keys"]):
        raise CoTGapError(
            f"the weights in {folder} are incomplete: {len(missing)} tensors are missing "
            f"({', '.join(missing[:3])}, ...). Copy the checkpoint again"
        )
    return model.to(device).eval(), tokenizer


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No progress bars or warnings of transformers in between our own output."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()

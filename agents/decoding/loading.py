"""Opens checkpoints: a folder of safetensors or a GGUF file, never remote code or pickles."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cotgap.agents.decoding import adapters
from cotgap.agents.decoding.weights import (
    check_complete,
    check_files,
    check_no_pointer,
    check_shards,
)
from cotgap.agents.fingerprint import both, covered, fingerprint
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
    model, tokenizer, identity = _load(path, dtype, device, ())
    if tokenizer is None:
        raise CoTGapError(
            f"{path} has no tokenizer (none of {', '.join(TOKENIZER_FILES)}). "
            "Save it there: tokenizer.save_pretrained(FOLDER)"
        )
    check_template(tokenizer, path)
    return model, tokenizer, identity


def _load(path: Path, dtype: str, device: str, above: Sequence[Path]) -> tuple[Any, Any, str]:
    """As `load`, but the tokenizer may lack a template or be None; `above` are adapters on it."""
    if not path.exists():
        raise CoTGapError(f"there is no checkpoint at {path}: give a folder or a .gguf file")
    if adapters.is_adapter(path):
        return _load_adapted(path, dtype, device, above)
    if path.is_dir():
        check_folder(path)
        identity, folder = fingerprint(path), path
    else:
        check_gguf(path)
        identity = fingerprint(path)
        folder = converted(path, identity)
    with reading(f"the checkpoint {path}"), covered(folder) as view:
        return _load_model(view, folder, dtype).to(device), load_tokenizer(view), identity


def _load_adapted(
    folder: Path, dtype: str, device: str, above: Sequence[Path]
) -> tuple[Any, Any, str]:
    """`_load` of an adapter's folder: its base with it applied, and the fingerprint of both."""
    require("peft")
    base = adapters.base_of(folder)
    adapters.check_folder(folder, (*above, folder))
    what = f"the adapter {folder}"
    for merged in (True, False):
        model, tokenizer, identity = _load(base, dtype, device, (*above, folder))
        adapters.check_base(folder, identity)
        with reading(what), covered(folder) as view:
            tokenizer = adapters.own_tokenizer(load_tokenizer(view), view, tokenizer)
            applied = adapters.applied(model, view, merge=merged)
        if applied is not None:
            return applied.eval(), tokenizer, both(identity, fingerprint(folder))
    raise AssertionError("an adapter that is not merged is returned or raises")


@contextlib.contextmanager
def reading(what: str) -> Iterator[None]:
    """Within it, what a damaged or foreign checkpoint makes a library raise is `CoTGapError`."""
    try:
        with quiet():
            yield
    except CoTGapError:
        raise
    except Exception as error:
        raise CoTGapError(f"cannot load {what}: {type(error).__name__}: {error}") from error


def check_folder(folder: Path) -> None:
    """Raise `CoTGapError` unless config and safetensors are there, whole files all of them."""
    if not (folder / "config.json").is_file():
        raise CoTGapError(
            f"{folder} is no checkpoint: it has no config.json. "
            "Give the folder that a model was saved to with save_pretrained()"
        )
    if not any(folder.glob("*.safetensors")):
        pickled = any(folder.glob("*.bin")) or any(folder.glob("*.pt"))
        why = "only pickled weights, which can run code when loaded" if pickled else "no weights"
        raise CoTGapError(
            f"{folder} has {why}. Save the model there as safetensors: "
            "model.save_pretrained(FOLDER, safe_serialization=True)"
        )
    check_files(folder)
    check_shards(folder)


def check_template(tokenizer: Any, path: Path) -> None:
    """Raise `CoTGapError` for a tokenizer without a chat template."""
    if tokenizer.chat_template is None:
        raise CoTGapError(
            f"{path} has no chat template (a base model?). Put the template that the model was "
            "trained with into chat_template.jinja there"
        )


def check_gguf(path: Path) -> None:
    """Raise `CoTGapError` unless this is a GGUF file and it can be read here."""
    check_no_pointer(path)
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
    except CoTGapError:
        raise
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
    with covered(path) as alone:  # without the files beside it
        tokenizer = AutoTokenizer.from_pretrained(alone, **options)
        with contextlib.suppress(ImportError):  # newer versions keep blocks packed unless told
            from transformers import GgufConfig

            options["quantization_config"] = GgufConfig(dequantize=True)
        model, report = AutoModelForCausalLM.from_pretrained(
            alone, dtype=torch.float32, output_loading_info=True, **options
        )
    check_complete(path, report, model.state_dict())
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
    """The tokenizer in a folder, None where there is none."""
    from transformers import AutoTokenizer

    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        return None
    return AutoTokenizer.from_pretrained(folder, **LOCAL)


def _load_model(view: Path, folder: Path, dtype: str) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    model, report = AutoModelForCausalLM.from_pretrained(
        view,
        dtype=getattr(torch, dtype),
        use_safetensors=True,
        ignore_mismatched_sizes=True,  # reported, and refused with the two sizes
        output_loading_info=True,
        **LOCAL,
    )
    check_complete(folder, report, model.state_dict())
    return model.eval()


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

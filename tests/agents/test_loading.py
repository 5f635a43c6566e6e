"""Fingerprints, checkpoints that are missing something, and the cache of unpacked GGUF files."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from cotgap.agents.decoding import loading
from cotgap.agents.decoding.backend import TransformersBackend
from cotgap.agents.fingerprint import fingerprint
from cotgap.envs.cache import cache_dir
from cotgap.envs.core import CoTGapError


@pytest.fixture
def folder(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """A copy of the tiny checkpoint, to be damaged."""
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "checkpoint"))


def test_a_file_s_fingerprint_is_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(b"GGUF" + bytes(5_000_000))
    assert fingerprint(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_folder_s_fingerprint_is_of_what_decides_answers(folder: Path) -> None:
    before = fingerprint(folder)
    (folder / "README.md").write_text("words")
    (folder / "optimizer.pt").write_bytes(b"left over from training")
    os.utime(folder / "config.json", (1, 1))
    assert fingerprint(folder) == before
    seen = {before}
    for name in ("model.safetensors", "tokenizer.json", "chat_template.jinja", "config.json"):
        path = folder / name
        path.write_bytes(path.read_bytes() + b" ")
        seen.add(fingerprint(folder))
    assert len(seen) == 5


def test_other_weights_are_another_fingerprint(tiny: TransformersBackend, folder: Path) -> None:
    assert TransformersBackend.open(folder, device="cpu").fingerprint == tiny.fingerprint
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"][0] += 1
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    assert TransformersBackend.open(folder, device="cpu").fingerprint != tiny.fingerprint


def test_bfloat16(folder: Path) -> None:
    said = TransformersBackend.open(folder, device="cpu", dtype="bfloat16").describe()
    assert said["dtype"] == "bfloat16"


def remove(*names: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return damage


def pickle_weights(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def leave_an_adapter(folder: Path) -> None:
    (folder / "config.json").rename(folder / "adapter_config.json")


def cut_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def lose_a_tensor(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def need_remote_code(folder: Path) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["model_type"] = "homemade"
    config["auto_map"] = {
        "AutoConfig": "code.Config",
        "AutoModelForCausalLM": "code.Model",
    }
    path.write_text(json.dumps(config))
    (folder / "code.py").write_text("raise SystemExit('remote code ran')")


def forget_the_context(folder: Path) -> None:
    (folder / "config.json").write_text("{")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (remove("config.json"), "has no config.json. Give the folder"),
        (leave_an_adapter, "base model None, which is not here"),
        (remove("model.safetensors"), "has no weights.*save_pretrained"),
        (pickle_weights, "only pickled weights, which can run code.*safe_serialization=True"),
        (remove("tokenizer.json"), "has no tokenizer.*tokenizer.save_pretrained"),
        (remove("chat_template.jinja"), "has no chat template.*chat_template.jinja"),
        (cut_weights, "cannot load the checkpoint .*SafetensorError"),
        (lose_a_tensor, "incomplete: 1 tensors are missing .*layers.1.mlp.up_proj"),
        (need_remote_code, "cannot load the checkpoint"),
        (forget_the_context, "cannot load the checkpoint"),
    ],
)
def test_what_a_folder_lacks(folder: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(folder)
    with pytest.raises(CoTGapError, match=message):
        TransformersBackend.open(folder, device="cpu")


def test_no_checkpoint_at_all(tmp_path: Path) -> None:
    with pytest.raises(CoTGapError, match=r"no checkpoint at .*nowhere: give a folder or a \.gguf"):
        TransformersBackend.open(tmp_path / "nowhere")


def test_dtypes_and_devices(tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def opening(**options: str) -> None:
        TransformersBackend.open(tiny_checkpoint, **options)  # type: ignore[arg-type]

    with pytest.raises(CoTGapError, match="unknown dtype 'float16': give float32 or bfloat16"):
        opening(dtype="float16")
    for name in ("gpu", "cuda:x", "cpu:0", "mps"):
        with pytest.raises(CoTGapError, match=f"unknown device '{name}': give auto"):
            opening(device=name)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    with pytest.raises(CoTGapError, match="'cuda:1' is not here: torch sees 1"):
        opening(device="cuda:1")
    assert loading.resolve_device(None) == loading.resolve_device("auto") == "cuda"
    assert loading.resolve_dtype(None, "cuda") == "bfloat16"
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert loading.resolve_device("auto") == "cpu"
    assert loading.resolve_dtype(None, "cpu") == "float32"


def test_files_that_are_no_gguf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTGAP_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "model.gguf"
    path.write_bytes(b"PK\3\4 something else")
    with pytest.raises(CoTGapError, match=r"not a GGUF file \(it begins with b'PK"):
        TransformersBackend.open(path)
    path.write_bytes(b"")
    with pytest.raises(CoTGapError, match="not a GGUF file"):
        TransformersBackend.open(path)
    path.write_bytes(b"GGUF\3\0\0\0 and then nothing that makes sense")
    with pytest.raises(CoTGapError, match="may be cut short"):
        TransformersBackend.open(path)
    assert list((tmp_path / "cache" / "gguf").iterdir()) == []


@pytest.mark.parametrize(
    ("module", "command"),
    [
        ("gguf", "pip install 'gguf"),
        ("accelerate", "pip install 'accelerate"),
        ("transformers", "pip install 'transformers"),
    ],
)
def test_missing_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, command: str
) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == module else find(name)
    )
    with pytest.raises(CoTGapError, match=f"{module} is not installed.*{command}"):
        TransformersBackend.open(path)


def test_a_gguf_file_is_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTGAP_CACHE", str(tmp_path / "cache"))
    calls = []

    def convert(path: Path, folder: Path) -> None:
        calls.append(path)
        (folder / "config.json").write_text("{}")

    monkeypatch.setattr(loading, "_convert", convert)
    first = loading.converted(tmp_path / "a.gguf", "0" * 64)
    assert (first / "config.json").is_file()
    assert loading.converted(tmp_path / "a.gguf", "0" * 64) == first
    assert loading.converted(tmp_path / "a.gguf", "1" * 64) != first
    assert len(calls) == 2
    assert len(list(first.parent.iterdir())) == 2


def test_two_may_unpack_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTGAP_CACHE", str(tmp_path / "cache"))

    def convert(path: Path, folder: Path) -> None:
        (folder / "config.json").write_text("mine")
        done = folder.parent / folder.name.rpartition(".")[0]
        done.mkdir()  # another process finishes first
        (done / "config.json").write_text("theirs")

    monkeypatch.setattr(loading, "_convert", convert)
    folder = loading.converted(tmp_path / "a.gguf", "0" * 64)
    assert (folder / "config.json").read_text() == "theirs"
    assert list(folder.parent.iterdir()) == [folder]


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTGAP_CACHE", str(tmp_path / "cache"))

    def convert(path: Path, folder: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(loading, "_convert", convert)
    with pytest.raises(CoTGapError, match=r"No space left on device.*COTGAP_CACHE"):
        loading.converted(tmp_path / "a.gguf", "0" * 64)
    assert list((tmp_path / "cache" / "gguf").iterdir()) == []


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COTGAP_CACHE", "/some/where")
    assert cache_dir() == Path("/some/where")
    monkeypatch.delenv("COTGAP_CACHE")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache_dir() == Path("/x/cotgap")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_dir() == Path.home() / ".cache" / "cotgap"

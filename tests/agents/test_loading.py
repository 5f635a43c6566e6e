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
import torch
from safetensors.torch import load_file, save_file

from cotgap.agents.decoding import loading
from cotgap.agents.decoding.backend import TransformersBackend
from cotgap.agents.fingerprint import covered, fingerprint, names
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


def leave_a_pointer(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        size = (folder / name).stat().st_size
        (folder / name).write_text(
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{64 * '0'}\nsize {size}\n"
        )

    return damage


def download_a_page(folder: Path) -> None:
    (folder / "model.safetensors").write_text("<!DOCTYPE html><title>Log in</title>" * 9)


def fill(value: float, *names: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        for name in names or weights:
            weights[name] = torch.full_like(weights[name], value)
        save_file(weights, folder / "model.safetensors", {"format": "pt"})

    return damage


def configure(**settings: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **settings}))

    return damage


FULL = 3 * ["full_attention"]


def bring_another_tokenizer(folder: Path) -> None:
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary |= {f"word{n}": 1000 + n for n in range(100)}
    path.write_text(json.dumps(tokenizer))


def template(text: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / "chat_template.jinja").write_text(text)

    return damage


def shard(folder: Path) -> dict[str, str]:
    """Part the weights in two files; returns the index's map."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    parts = {"model-1.safetensors": names[:9], "model-2.safetensors": names[9:]}
    for name, held in parts.items():
        save_file({key: weights[key] for key in held}, folder / name, {"format": "pt"})
    placed = {key: name for name, held in parts.items() for key in held}
    write_index(folder, placed)
    return placed


def write_index(folder: Path, placed: dict[str, str]) -> None:
    index = {"metadata": {}, "weight_map": placed}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def lose_a_shard(folder: Path) -> None:
    shard(folder)
    (folder / "model-2.safetensors").unlink()


def misplace_a_tensor(folder: Path) -> None:
    placed = shard(folder)
    key = next(key for key, name in placed.items() if name == "model-2.safetensors")
    write_index(folder, {**placed, key: "model-1.safetensors"})


def hold_a_tensor_twice(folder: Path) -> None:
    placed = shard(folder)
    first, second = (load_file(folder / f"model-{n}.safetensors") for n in (1, 2))
    key = sorted(first)[0]
    save_file({**second, key: first[key] + 1}, folder / "model-2.safetensors", {"format": "pt"})
    write_index(folder, placed)


def leave_the_folder(folder: Path) -> None:
    placed = shard(folder)
    (folder / "model-2.safetensors").rename(folder.parent / "model-2.safetensors")
    write_index(folder, {k: v.replace("model-2", "../model-2") for k, v in placed.items()})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            leave_a_pointer("model.safetensors"),
            r"Git LFS pointer of \d+ bytes, not .* \d{5,} bytes",
        ),
        (leave_a_pointer("tokenizer.json"), "tokenizer.json is a Git LFS pointer.*git lfs pull"),
        (download_a_page, "no safetensors file: it begins with b'<!DOCTYP'.*has 324 bytes"),
        (lose_a_shard, r"names model-2\.safetensors, which is not in .*\(2 files"),
        (misplace_a_tensor, r"is in model-1\.safetensors, but model-2\.safetensors holds it"),
        (hold_a_tensor_twice, r"but model-1\.safetensors and model-2\.safetensors holds it"),
        (leave_the_folder, r"names \.\./model-2\.safetensors, which is not in"),
        (fill(float("nan"), "model.norm.weight"), r"1 tensors of the model hold NaN .*norm"),
        (fill(float("inf")), "2[0-9] tensors of the model hold NaN or infinity"),
        (fill(3e38, "model.layers.0.mlp.up_proj.weight"), "logits are not numbers"),
        (fill(1.0), "gives all tokens the same logit"),
        (fill(0.0), "gives all tokens the same logit"),
        (fill(0.0, "model.norm.weight"), "gives all tokens the same logit"),
        (
            configure(num_hidden_layers=1, layer_types=FULL[:1]),
            r"11 tensors beyond the layers.*layers\.1\.",
        ),
        (configure(num_hidden_layers=3, layer_types=FULL), "incomplete: 11 tensors are missing"),
        (configure(vocab_size=300), r"embed_tokens.weight is \[385, 64\], and \[300, 64\] is"),
        (bring_another_tokenizer, r"has token \d+ .*, but the model knows 385 tokens"),
        (template("{{ 1/0 }}"), "chat template fails: ZeroDivisionError"),
        (template("{{ 'a' * 20000000000 }}"), "chat template fails: it takes more than"),
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


def test_an_index_is_part_of_the_fingerprint(folder: Path, tiny: TransformersBackend) -> None:
    placed = shard(folder)
    backend = TransformersBackend.open(folder, device="cpu")
    ids = torch.tensor([[1, 5, 9]])
    assert torch.equal(backend.model(ids).logits, tiny.model(ids).logits)
    (folder / "deeper").mkdir()
    moved = folder / "deeper" / "model-2.safetensors"
    (folder / "model-2.safetensors").rename(moved)
    write_index(folder, {k: v.replace("model-2", "deeper/model-2") for k, v in placed.items()})
    deeper = TransformersBackend.open(folder, device="cpu")
    assert torch.equal(deeper.model(ids).logits, tiny.model(ids).logits)
    weights = load_file(moved)
    key = sorted(weights)[0]
    save_file({**weights, key: weights[key] + 1}, moved, {"format": "pt"})
    other = TransformersBackend.open(folder, device="cpu")
    assert not torch.equal(other.model(ids).logits, tiny.model(ids).logits)
    assert len({tiny.fingerprint, *(b.fingerprint for b in (backend, deeper, other))}) == 4


def test_nothing_beside_the_fingerprint_is_read(folder: Path, tmp_path: Path) -> None:
    """What a library would read from a checkpoint's folder, and what it does not cover."""
    before = TransformersBackend.open(folder, device="cpu")
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04no pickle")
    (folder / "processor_config.json").write_text('{"chat_template": "{{ 1/0 }}"}')
    (folder / "custom_generate").mkdir()
    (folder / "custom_generate" / "generate.py").write_text("raise SystemExit")
    after = TransformersBackend.open(folder, device="cpu")
    assert after.fingerprint == before.fingerprint
    assert after.renderer.framing == before.renderer.framing
    with covered(folder) as view:
        assert sorted(path.name for path in view.iterdir()) == names(folder)
    assert not view.exists()


def test_a_gguf_file_is_unpacked_without_its_neighbours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []

    def note(folder: Path, **options: object) -> None:
        seen.append(sorted(path.name for path in Path(folder).iterdir()))
        raise CoTGapError("far enough")

    monkeypatch.setenv("COTGAP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", note)
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    (tmp_path / "chat_template.jinja").write_text("another model's")
    with pytest.raises(CoTGapError, match="far enough"):
        TransformersBackend.open(tmp_path / "model.gguf")
    assert seen == [["model.gguf"]]


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

"""Training end to end on the toy suite, with models of no importance."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from cotgap.agents.core import Request, Sampling
from cotgap.agents.decoding.backend import TransformersBackend
from cotgap.agents.options import TrainOptions
from cotgap.agents.specs import make_agent
from cotgap.agents.training import checkpoints, presets, train
from cotgap.agents.training.batches import Batches
from cotgap.agents.training.data import Episode
from cotgap.agents.training.exactness import by_kind, match_recall, measure
from cotgap.agents.training.loop import differences
from cotgap.agents.training.presets import Preset, Stage, geometric, parse_mix
from cotgap.agents.training.sequences import Objective, encode, prompt_ids
from cotgap.agents.training.sources import PanelSource
from cotgap.agents.training.train import train_series
from cotgap.envs.core import CoTGapError
from tests.commands import cotgap

STAGE = Stage(steps=4, batch_size=2, learning_rate=1e-3, warmup=1, checkpoints=2)
SMALL = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": True,
}
TEST = Preset(
    panels=("toy/train",),
    stage=STAGE,
    before={
        "echoes": replace(STAGE, steps=2, batch_size=0, echoes=3, checkpoints=1, measured=0),
        "base": replace(STAGE, steps=2, mix={"direct": 1.0}, observations=True, checkpoints=1),
    },
    architecture=SMALL,
)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A preset that trains in seconds, on few held-out episodes."""
    monkeypatch.setitem(presets.PRESETS, "test", TEST)
    monkeypatch.setattr("cotgap.agents.training.sources.HELD_OUT", 3)
    monkeypatch.setattr(train, "CORPUS", 8)


def options(out: Path, **changes: Any) -> TrainOptions:
    return replace(
        TrainOptions(preset="test", out=out, action_mask_fraction=0.3, device="cpu"), **changes
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A finished run, base stage included. Read only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(presets.PRESETS, "test", TEST)
        patch.setattr("cotgap.agents.training.sources.HELD_OUT", 3)
        patch.setattr(train, "CORPUS", 8)
        out = tmp_path_factory.mktemp("trained")
        train_series(options(out))
        yield out


def test_a_run_s_checkpoints(trained: Path) -> None:
    folders = sorted(path.name for path in trained.iterdir() if path.is_dir())
    assert folders == ["base", "echoes", "step-000002", "step-000004"]
    assert (trained / "base" / "step-000002" / "card.json").is_file()
    files = {path.name for path in (trained / "step-000004").iterdir()}
    assert {"card.json", "config.json", "model.safetensors", "tokenizer.json"} <= files
    assert "chat_template.jinja" in files


def test_cards(trained: Path) -> None:
    card = json.loads((trained / "step-000004" / "card.json").read_text())
    (panel,) = card["trained_on"]
    assert (panel["suite"], panel["panel"], panel["kinds"]) == ("toy", "toy/train", ["unlock"])
    assert (card["step"], card["config"]["action_mask_fraction"]) == (4, 0.3)
    assert (card["config"]["seed"], card["parent"]["step"]) == (0, 2)
    assert [step for step, _ in card["loss_curve"]] == [1, 2, 3, 4]
    assert {row["kind"] for row in card["exactness"]} >= {"go", "all"}
    assert len(card["data_sha256"]) == 64
    assert str(Path.home()) not in json.dumps(card["config"])


def test_a_checkpoint_is_an_agent(trained: Path) -> None:
    agent = make_agent(str(trained / "step-000004"), device="cpu")
    talk = agent.dialogue("Rules.")
    talk.observe("You are in the hall.", None)
    asked = talk.request("cot", sampling=Sampling(), seed=0, cache_key="", max_new_tokens=4)
    assert agent.decide([asked])[0].raw.startswith("<think>")


def test_a_finished_run_is_left_alone(trained: Path) -> None:
    before = (trained / "step-000004" / "model.safetensors").stat().st_mtime_ns
    train_series(options(trained))
    assert (trained / "step-000004" / "model.safetensors").stat().st_mtime_ns == before


def test_another_configuration_is_refused(trained: Path) -> None:
    init = trained / "base" / "step-000002"
    with pytest.raises(CoTGapError, match=r"action_mask_fraction: 0.3 → 0.5; .*seed: 0 → 1"):
        train_series(options(trained, action_mask_fraction=0.5, seed=1, init=init))


def test_resuming_gives_what_an_uninterrupted_run_gives(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after the third update, the run ends with the very weights."""
    out = tmp_path / "again"
    for name in TEST.before:
        shutil.copytree(trained / name, out / name)
    real = checkpoints.replace_folder
    saves = []

    def stopped(folder: Path, write: Callable[[Path], None]) -> None:
        real(folder, write)
        saves.append(folder.name)
        if saves.count("resume") == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("cotgap.agents.training.loop.replace_folder", stopped)
    with pytest.raises(KeyboardInterrupt):
        train_series(options(out))
    monkeypatch.setattr("cotgap.agents.training.loop.replace_folder", real)
    assert [path.name for path in (out / "resume").iterdir()] == ["checkpoint-3"]
    train_series(options(out))
    one, other = (
        load_file(folder / "step-000004" / "model.safetensors") for folder in (trained, out)
    )
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, other[name])
    card = json.loads((out / "step-000004" / "card.json").read_text())
    assert [step for step, _ in card["loss_curve"]] == [1, 2, 3, 4]


def test_a_full_disk_keeps_what_was_saved(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "full"
    for name in TEST.before:
        shutil.copytree(trained / name, out / name)
    real = checkpoints.save_checkpoint

    def full(folder: Path, model: Any, tokenizer: Any, card: Any) -> None:
        if folder.name == "step-000004":

            def fail(*_: Any, **__: Any) -> None:
                raise OSError(28, "No space left on device")

            monkeypatch.setattr(tokenizer, "save_pretrained", fail)
        real(folder, model, tokenizer, card)

    monkeypatch.setattr("cotgap.agents.training.loop.save_checkpoint", full)
    with pytest.raises(CoTGapError, match=r"cannot save .*step-000004: .*No space left.*same comm"):
        train_series(options(out))
    kept = sorted(path.name for path in out.iterdir())
    assert kept == ["base", "echoes", "resume", "step-000002", "train.json"]
    assert TransformersBackend.open(out / "step-000002", device="cpu")
    assert list((out / "resume").glob("checkpoint-*/optimizer.pt"))


def test_it_learns(tmp_path: Path) -> None:
    stage = replace(STAGE, steps=40, batch_size=4, learning_rate=5e-3, checkpoints=1)
    presets.PRESETS["test"] = replace(TEST, stage=stage, before={})
    out = train_series(options(tmp_path, action_mask_fraction=0.0))
    curve = [loss for _, loss in json.loads((out / "card.json").read_text())["loss_curve"]]
    assert curve[-1] < 0.6 * curve[0]


def test_a_stage_that_did_not_learn_to_look_up_ends_the_run(tmp_path: Path) -> None:
    echoes = replace(TEST.before["echoes"], recall=0.9)
    presets.PRESETS["test"] = replace(TEST, before={"echoes": echoes})
    with pytest.raises(CoTGapError, match=r"copied 0.0 %, and 90.0 % are needed.*another --seed"):
        train_series(options(tmp_path))
    assert not list(tmp_path.rglob("card.json"))


def test_batches_hold_the_masked_labels(tiny: TransformersBackend) -> None:
    """The same episodes with fewer labels, and the same again from the middle on."""
    source = PanelSource("toy/train", 0.1, 0)
    free, masked = (
        Batches(source, tiny.renderer, Objective(mask_fraction=k), size=2) for k in (0.0, 1.0)
    )
    pairs = list(zip(free, islice(masked, 3), strict=False))
    for one, other in pairs:
        assert torch.equal(one["input_ids"], other["input_ids"])
        assert 0 < len(other["labels"]) < len(one["labels"])
    later = next(iter(masked.loader(2)))
    assert all(torch.equal(later[name], pairs[2][1][name]) for name in later)


def test_drills_are_packed(tiny: TransformersBackend) -> None:
    """Beside episodes in rows as long as those; alone where a stage has no episodes."""
    source, names = PanelSource("toy/train", 0.1, 0), ("book", "desk", "mug", "pan", "pen")
    sizes = {}
    for size in (0, 2):
        batches = Batches(source, tiny.renderer, Objective(), size, drills=9, names=names)
        sizes[size] = [tuple(batch["input_ids"].shape) for batch in islice(batches, 16)]
    plain = Batches(source, tiny.renderer, Objective(), 2)
    widths = [batch["input_ids"].shape[1] for batch in islice(plain, 16)]
    assert all(2 <= rows <= 9 for rows, _ in sizes[0])
    assert any(2 < rows < 11 for rows, _ in sizes[2])
    assert sum(width for _, width in sizes[2]) >= sum(widths)


def test_adapters(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """An adapter's folder is small, opens as an agent, and acts as the model it was saved from."""
    pytest.importorskip("peft")
    presets.PRESETS["test"] = replace(TEST, before={}, architecture=None)
    out = train_series(options(tmp_path, init=tiny_checkpoint, lora=2, learning_rate=0.1))
    files = {path.name for path in out.iterdir()}
    assert {"adapter_model.safetensors", "adapter_config.json", "card.json"} <= files
    assert "model.safetensors" not in files
    base, adapted = (TransformersBackend.open(f, device="cpu") for f in (tiny_checkpoint, out))
    assert base.fingerprint != adapted.fingerprint
    name = "model.layers.0.mlp.up_proj.weight"
    assert not torch.equal(base.model.state_dict()[name], adapted.model.state_dict()[name])
    assert base.renderer.framing == adapted.renderer.framing


def test_an_adapter_of_another_base(tiny_checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    presets.PRESETS["test"] = replace(TEST, before={}, architecture=None)
    out = train_series(options(tmp_path, init=tiny_checkpoint, lora=2))
    card = json.loads((out / "card.json").read_text())
    card["parent"]["fingerprint"] = "0" * 64
    (out / "card.json").write_text(json.dumps(card))
    with pytest.raises(CoTGapError, match=r"was trained on .* 000000000000, but the base found"):
        TransformersBackend.open(out, device="cpu")


def test_exactness_is_greedy_decoding(tiny: TransformersBackend, episodes: list[Episode]) -> None:
    """What teacher forcing calls exact is what the backend writes, for a model that copies."""
    episode = episodes[0]
    (tree,) = encode(episode, tiny.renderer, Objective(mix={"both": 1.0}))
    exact = measure(tiny.model, [tree])
    assert [one.example for one in exact] == list(tree.examples)
    for one in exact:
        step = int(one.example.id.rpartition(":")[2])
        mode = "cot" if one.example.target == "cot" else "prompt"
        ids = prompt_ids(episode, step, mode, tiny.renderer)
        action = episode.steps[step].action
        request = Request((), "", ("</action>",), 12, mode, token_ids=ids)
        wrote = tiny.complete([request])[0].text
        if mode == "prompt":
            assert one.action == (wrote == f"{action}</action>")
    rows = by_kind(exact)
    assert rows[-1].n == len(episode.steps)
    assert match_recall([]) == {"present": None, "absent": None, "copied": None}


def test_small_things() -> None:
    assert geometric(4096, 4) == [512, 1024, 2048, 4096]
    assert geometric(3, 8) == [1, 3]
    assert parse_mix("cot=0.7,both=0.3") == {"cot": 0.7, "both": 0.3}
    assert differences({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}}) == ["b.c: 2 → 3"]


def test_the_command_line_writes_data(tmp_path: Path) -> None:
    out = tmp_path / "toy.jsonl"
    done = cotgap("data", "--panel", "toy/train", "--episodes", "5", "--noise", "0.2", "--out", out)
    assert done.exit_code == 0
    assert f"episodes in {out}" in done.stdout
    assert len(out.read_text().splitlines()) <= 5


def test_no_episode_is_written_twice(tmp_path: Path) -> None:
    done = cotgap("data", "--panel", "toy/train", "--episodes", "500", "--out", tmp_path / "x")
    assert done.exit_code == 2
    assert "has 197 tasks besides those held out" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "big"], "unknown preset 'big'"),
        (["--preset", "test", "--action-mask-fraction", "1.5"], "fraction 1.5 is out of range"),
        (["--preset", "test", "--mix", "cot=x"], "bad --mix"),
        (["--preset", "test", "--panel", "toy/none"], "unknown panel"),
        (["--preset", "test", "--data", "none.jsonl"], "cannot read none.jsonl"),
        (["--preset", "test", "--init", "none"], "no checkpoint at none"),
        (["--preset", "smollm2", "--stage-steps", "base=1"], "unknown earlier stage"),
        (["--preset", "test", "--data", "x", "--panel", "toy/id"], "--panel has no effect here"),
        (["--preset", "test", "--stage-steps", "base=1", "--drills", "2"], "drills need names"),
        (["--preset", "test", "--stage-steps", "base"], "expected base=100"),
    ],
)
def test_bad_options(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = cotgap("train", "--out", tmp_path / "out", *arguments)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    named = re.match(r"error: unknown .+ '.+'\.", done.stderr)  # as `UnknownNameError` says it
    assert bool(named) == message.startswith("unknown")

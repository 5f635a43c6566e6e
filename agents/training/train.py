"""From a preset and options to trained checkpoints: what `cotgap train` runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM

from cotgap.agents.checkpoints import smollm2_path
from cotgap.agents.decoding.loading import load, require
from cotgap.agents.options import TrainOptions
from cotgap.agents.training.checkpoints import read_card
from cotgap.agents.training.data import Episode
from cotgap.agents.training.drills import listed_names
from cotgap.agents.training.loop import Run, train
from cotgap.agents.training.presets import Preset, Stage, get_preset, parse_mix, parse_steps
from cotgap.agents.training.sequences import Objective
from cotgap.agents.training.sources import Source, digest, open_sources, openings
from cotgap.agents.training.vocabulary import train_tokenizer
from cotgap.envs.core import CoTGapError, UnknownNameError

CORPUS = 400  # episodes that a vocabulary and the names of drills are taken from
# What adapters are put on: every matrix of a decoder layer.
ADAPTED = "all-linear"


def train_series(options: TrainOptions) -> Path:
    """Train; returns the last checkpoint's folder. Raises `CoTGapError` for bad options."""
    preset = get_preset(options.preset)
    _check_used(options, preset)
    lora = preset.lora if options.lora is None else options.lora
    require("accelerate", *(["peft"] if lora else []))
    stage = _stage(preset.stage, options)
    panels = tuple(options.panel) or preset.panels
    noise = preset.noise if options.noise is None else options.noise
    objective = Objective(stage.mix, options.action_mask_fraction, stage.observations, options.seed)
    source = open_sources(panels, options.data, noise, options.seed)
    builder = _Builder(options, preset, source)
    init = options.init
    if init is None:
        for name, before in _before(preset, options).items():
            plain = Objective(before.mix, 0.0, before.observations, options.seed)
            init = builder.train(options.out / name, before, plain, init, lora=0)
    return builder.train(options.out, stage, objective, init, lora=lora)


def _before(preset: Preset, options: TrainOptions) -> dict[str, Stage]:
    """The preset's earlier stages by name, as the options change them."""
    stages = dict(preset.before)
    for name, steps in parse_steps(options.stage_steps).items():
        stages[name] = replace(stages[name], steps=steps)
    if options.drills is not None and "base" in stages:
        stages["base"] = replace(stages["base"], drills=options.drills)
    return stages


def _check_used(options: TrainOptions, preset: Preset) -> None:
    """Raise `CoTGapError` for an option that would change nothing."""
    before = preset.before if options.init is None else {}
    for name, steps in parse_steps(options.stage_steps).items():
        if name not in before:
            raise UnknownNameError("earlier stage in --stage-steps:", name, before)
        if steps < 1:
            raise CoTGapError(f"--stage-steps {name}={steps}: at least 1")
    drilled = "base" in before or preset.stage.drills
    idle = {
        "--drills": (options.drills, drilled, "only a base stage has drills"),
        "--panel": (options.panel or None, not options.data, "--data is trained on"),
        "--noise": (options.noise, not options.data, "--data brings its own"),
    }
    for name, (value, used, why) in idle.items():
        if value is not None and not used:
            raise CoTGapError(f"{name} has no effect here ({why}); leave it out")


def _stage(stage: Stage, options: TrainOptions) -> Stage:
    given: dict[str, Any] = {
        "steps": options.steps,
        "batch_size": options.batch_size,
        "learning_rate": options.learning_rate,
        "mix": None if options.mix is None else parse_mix(options.mix),
        "drills": options.drills if stage.drills else None,
    }
    stage = replace(stage, **{name: value for name, value in given.items() if value is not None})
    if stage.steps < 1 or stage.batch_size < 1:
        raise CoTGapError(f"--steps {stage.steps}, --batch-size {stage.batch_size}: at least 1")
    return stage


@dataclass
class _Builder:
    """Makes models and runs the stages of one command."""

    options: TrainOptions
    preset: Preset
    source: Source
    _corpus: tuple[Episode, ...] = ()

    def train(
        self, out: Path, stage: Stage, objective: Objective, init: Path | None, *, lora: int
    ) -> Path:
        """Run a stage from a checkpoint, or from the preset's own model where there is none."""
        torch.manual_seed(objective.seed)
        model, tokenizer, parent = self._model(init)
        if lora:
            model = _with_adapter(model, lora, str(init or self.preset.pretrained))
        config = {
            "preset": self.options.preset,
            "stage": asdict(stage),
            "action_mask_fraction": objective.mask_fraction,
            "seed": objective.seed,
            "lora": lora,
            "parent": parent["fingerprint"] if parent else None,
            "data": digest(self.source),
            "architecture": dict(self.preset.architecture or {}),
        }
        facts = {
            "parent": parent,
            "trained_on": self.source.describe(),
            "data_sha256": config["data"],
            "vocabulary": len(tokenizer),
            "parameters": model.num_parameters(),
            "command": self.options.command,
            "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        }
        names = tuple(listed_names(self._texts())) if stage.drills else ()
        run = Run(out, stage, objective, self.source, names, config, facts, self.options.device)
        return train(run, model, tokenizer)

    def _model(self, init: Path | None) -> tuple[Any, Any, dict[str, Any] | None]:
        """(model, tokenizer, what it started from or None), in float32 for training."""
        if init is None and self.preset.pretrained is None:
            return *self._fresh(), None
        path = init or smollm2_path()
        model, tokenizer, identity = load(path, dtype="float32", device="cpu")
        parent = {"name": path.name if init else self.preset.pretrained, "fingerprint": identity}
        if init and (card := read_card(init)):
            parent["trained_on"] = card.get("trained_on")
            parent["step"] = card.get("step")
        return model.train(), tokenizer, parent

    def _fresh(self) -> tuple[Any, Any]:
        panels = [facts["panel"] for facts in self.source.describe()]
        tokenizer = train_tokenizer([*self._texts(), *openings(panels)])
        config = LlamaConfig(
            **(self.preset.architecture or {}),
            vocab_size=len(tokenizer),
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        return LlamaForCausalLM(config), tokenizer

    def _texts(self) -> list[str]:
        if not self._corpus:
            played = (self.source.episode(number) for number in range(CORPUS))
            self._corpus = tuple(episode for episode in played if episode is not None)
        return [m["content"] for episode in self._corpus for m in episode.to_json()["messages"]]


def _with_adapter(model: Any, rank: int, base: str) -> Any:
    """The model behind a LoRA adapter whose configuration names `base`."""
    from peft import LoraConfig, get_peft_model

    settings = LoraConfig(
        r=rank, lora_alpha=2 * rank, target_modules=ADAPTED, task_type="CAUSAL_LM"
    )
    adapted = get_peft_model(model, settings)
    adapted.peft_config["default"].base_model_name_or_path = base
    return adapted

"""One stage of training: transformers' Trainer over trees, with checkpoints, cards and resume."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import Trainer, TrainerCallback, TrainingArguments

from cotgap.agents.decoding.backend import context_length
from cotgap.agents.decoding.loading import quiet, resolve_device
from cotgap.agents.rendering import Renderer
from cotgap.agents.training.attention import use_blocks
from cotgap.agents.training.batches import Batches
from cotgap.agents.training.batching import logits_at
from cotgap.agents.training.checkpoints import replace_folder, save_checkpoint, step_folder
from cotgap.agents.training.drills import drill, echo
from cotgap.agents.training.exactness import Exact, Row, by_kind, match_recall, measure
from cotgap.agents.training.presets import Stage, geometric
from cotgap.agents.training.sequences import Objective, Tree, encode
from cotgap.agents.training.sources import Source
from cotgap.envs.core import CoTGapError
from cotgap.envs.files import write_json

CONFIG, RESUME = "train.json", "resume"
HELD_OUT_DRILLS = 64  # trees, of several questions each
REPORTS = 10  # progress reports a stage
LOGS = 200  # points of the loss curve


def say(line: str) -> None:
    """Print a line at once, whatever stdout is."""
    print(line, flush=True)


@dataclass(frozen=True)
class Run:
    """What a stage is made of.

    `config` is all that decides its result, as JSON-able values: two runs with one configuration
    agree. `facts` go into every card besides. `say` prints a line of progress.
    """

    out: Path
    stage: Stage
    objective: Objective
    source: Source
    names: tuple[str, ...]
    config: Mapping[str, Any]
    facts: Mapping[str, Any]
    device: str | None = None
    say: Callable[[str], None] = say


def train(run: Run, model: Any, tokenizer: Any) -> Path:
    """Train a model; returns the folder of the last checkpoint.

    Goes on where a stopped run of the same configuration left off, and does nothing where it had
    ended. Raises `CoTGapError` where `run.out` holds another configuration, and where a
    checkpoint cannot be saved.
    """
    last = step_folder(run.out, run.stage.steps)
    claim(run.out, run.config)
    if last.is_dir():
        run.say(f"{last} is there already: nothing to do")
        return last
    renderer = Renderer(tokenizer, context_length(model, tokenizer))
    if run.stage.drills and len(run.names) < 4:
        raise CoTGapError(
            f"drills need names that observations list, as in 'a mug 2'; these give "
            f"{len(run.names)}. Give --drills 0"
        )
    trainer = _TreeTrainer(run, model, renderer)
    resume = _resumable(run.out)
    if resume:
        trainer.done = int(resume.name.rpartition("-")[2])
        run.say(f"going on after update {trainer.done}")
    with quiet():
        trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    shutil.rmtree(run.out / RESUME, ignore_errors=True)
    return last


def claim(out: Path, config: Mapping[str, Any]) -> None:
    """Write the configuration into `out`; raises `CoTGapError` where there is another one."""
    path, wanted = out / CONFIG, json.loads(json.dumps(config))
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (OSError, ValueError) as error:
        raise CoTGapError(f"cannot use {path}: {error}") from error
    if found is None:
        write_json(path, wanted)
    elif changed := differences(found, wanted):
        raise CoTGapError(
            f"{out} was trained with another configuration ({'; '.join(changed)}). Give "
            "those options again to go on, or another --out"
        )


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The fields in which two configurations differ, as `path: old → new`."""
    found: list[str] = []
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += differences(before, after, f"{prefix}{name}.")
        elif before != after:
            found.append(f"{prefix}{name}: {before!r:.80} → {after!r:.80}")
    return found


def _resumable(out: Path) -> Path | None:
    found = sorted((out / RESUME).glob("checkpoint-*"))
    return found[0] if found else None


class _TreeTrainer(Trainer):  # type: ignore[misc]  # transformers is not typed
    """Trainer with our batches, our loss, and a resume folder that is replaced as a whole."""

    def __init__(self, run: Run, model: Any, renderer: Renderer) -> None:
        stage = run.stage
        place = resolve_device(run.device)
        warmup = min(stage.warmup, stage.steps // 2)
        arguments = TrainingArguments(
            output_dir=str(run.out / RESUME),
            max_steps=stage.steps,
            learning_rate=stage.learning_rate,
            warmup_steps=warmup,
            lr_scheduler_type="warmup_stable_decay",
            lr_scheduler_kwargs={
                "num_decay_steps": round(stage.decay * (stage.steps - warmup)),
                "decay_type": "cosine",
                "min_lr_ratio": 0.1,
            },
            weight_decay=stage.weight_decay,
            adam_beta2=0.98,
            max_grad_norm=1.0,
            optim="adamw_torch_fused",
            bf16=helps_bf16(place),
            use_cpu=place == "cpu",
            save_strategy="steps",
            save_steps=max(1, stage.steps // 10),
            logging_steps=max(1, stage.steps // LOGS),
            ignore_data_skip=True,
            remove_unused_columns=False,
            disable_tqdm=True,
            report_to=[],
            seed=run.objective.seed,
        )
        self.run = run
        self.batches = Batches(
            run.source,
            renderer,
            run.objective,
            stage.batch_size,
            stage.drills,
            stage.echoes,
            run.names,
        )
        self.done = 0  # updates of earlier sessions (the loader is made before Trainer knows)
        self._scratch: Path | None = None
        self.begun, self.read = time.perf_counter(), 0
        callbacks = [_Progress(run, self, renderer)]
        super().__init__(
            model=model,
            args=arguments,
            train_dataset=self.batches,
            data_collator=lambda batch: batch,
            callbacks=callbacks,
        )
        from transformers import PrinterCallback

        self.remove_callback(PrinterCallback)
        use_blocks(model)

    def get_train_dataloader(self) -> Any:
        """From the batch that the next update needs."""
        return self.batches.loader(self.done)

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> torch.Tensor:
        """Mean cross entropy over the update's labelled tokens."""
        del return_outputs, num_items_in_batch  # one pass an update
        read = int((inputs["position_ids"] > 0).sum())
        self.read += read
        self.state.num_input_tokens_seen += read  # kept when a run is resumed
        logits = logits_at(model, inputs, inputs["sources"]).float()
        return cross_entropy(logits, inputs["labels"])

    def _get_output_dir(self, trial: Any) -> str:
        return str(self._scratch or self.args.output_dir)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        def write(scratch: Path) -> None:
            self._scratch = scratch
            super(_TreeTrainer, self)._save_checkpoint(model, trial)

        try:
            replace_folder(self.run.out / RESUME, write)
        finally:
            self._scratch = None


class _Progress(TrainerCallback):  # type: ignore[misc]
    """Reports, measures, and saves the geometric series."""

    def __init__(self, run: Run, trainer: _TreeTrainer, renderer: Renderer) -> None:
        self.run, self.trainer, self.renderer = run, trainer, renderer
        self.saves = geometric(run.stage.steps, run.stage.checkpoints)
        self.every = max(1, run.stage.steps // REPORTS)
        both = replace(run.objective, mix=_measured(run.objective), mask_fraction=0.0)
        both = replace(both, observations=False)
        held = run.source.held_out()[: run.stage.measured]
        self.episodes = [tree for one in held for tree in encode(one, renderer, both)]
        self.drills = _held_out_drills(run, renderer)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Have every update logged that is measured or saved after."""
        step = state.global_step
        control.should_log |= step in self.saves or step % self.every == 0

    def on_log(
        self, args: Any, state: Any, control: Any, logs: Mapping[str, Any], **kwargs: Any
    ) -> None:
        """A line of progress; with this update's loss known, `_measure`."""
        if "loss" in logs:
            rate = self.trainer.read / (time.perf_counter() - self.trainer.begun)
            self.run.say(
                f"step {state.global_step}/{args.max_steps}  loss {float(logs['loss']):.4f}  "
                f"{state.num_input_tokens_seen / 1e6:.2f} M tokens, {rate:,.0f}/s"
            )
            self._measure(state)

    def _measure(self, state: Any) -> None:
        """Measure now and then; save where the series says so."""
        step, model = state.global_step, self.trainer.model
        saving = step in self.saves
        if saving or step % self.every == 0:
            exact = measure(model, self.episodes)
            drilled = measure(model, self.drills)
            self._report(step, exact, drilled)
            if step == self.run.stage.steps:
                self._check_recall(drilled)
            if saving:
                card = self._card(step, state, by_kind(exact), drilled)
                folder = step_folder(self.run.out, step)
                save_checkpoint(folder, model, self.renderer.tokenizer, card)

    def _report(self, step: int, exact: Sequence[Exact], drilled: Sequence[Exact]) -> None:
        if exact:
            self.run.say(table(step, by_kind(exact)))
        if drilled:
            found = match_recall(drilled)
            self.run.say(
                "drills: " + ", ".join(f"{kind} {_percent(share)}" for kind, share in found.items())
            )

    def _check_recall(self, drilled: Sequence[Exact]) -> None:
        """Raise `CoTGapError` where too little was learned for what comes next."""
        shares = {k: v for k, v in match_recall(drilled).items() if v is not None}
        if low := {k: v for k, v in shares.items() if v < self.run.stage.recall}:
            told = ", ".join(f"{kind} {_percent(share)} %" for kind, share in low.items())
            raise CoTGapError(
                f"look-ups were not learned ({told}, and {_percent(self.run.stage.recall)} % are "
                "needed), so that training on would teach little. Some seeds take longer: give "
                "another --seed and another --out"
            )

    def _card(
        self, step: int, state: Any, rows: Sequence[Row], drilled: Sequence[Exact]
    ) -> dict[str, Any]:
        return {
            "step": step,
            **self.run.facts,
            "tokens": state.num_input_tokens_seen,
            "loss_curve": [
                [entry["step"], round(float(entry["loss"]), 5)]
                for entry in state.log_history
                if "loss" in entry
            ],
            "exactness": [asdict(row) for row in rows],
            "drills": match_recall(drilled) if drilled else None,
            "config": dict(self.run.config),
        }


def _measured(objective: Objective) -> dict[str, float]:
    """Both modes are measured wherever thoughts are trained."""
    return {"both": 1.0} if set(objective.mix) & {"cot", "both"} else {"direct": 1.0}


def _held_out_drills(run: Run, renderer: Renderer) -> list[Tree]:
    seeds = [f"held out|{number}" for number in range(HELD_OUT_DRILLS)]
    drills = [drill(run.names, renderer, seed) for seed in seeds if run.stage.drills]
    return [*drills, *(echo(renderer, seed) for seed in seeds if run.stage.echoes)]


def table(step: int, rows: Sequence[Row]) -> str:
    """Exactness as lines of text; shares in percent."""
    lines = [f"step {step}: exact, %{'n':>16} {'prompt':>7} {'action':>7} {'cot':>7}"]
    for row in rows:
        shares = " ".join(f"{_percent(v):>7}" for v in (row.prompt, row.action, row.cot))
        lines.append(f"  {row.kind[:22]:<22} {row.n:>8} {shares}")
    return "\n".join(lines)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def helps_bf16(device: str) -> bool:
    """Whether the device multiplies bfloat16 faster than float32.

    On a CPU that takes tiles (AMX): with AVX-512's bfloat16 alone, SmolLM2 trained at two thirds of
    the speed of float32.
    """
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    supported = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(supported and supported())

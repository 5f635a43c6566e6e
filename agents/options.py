"""Options of commands that open or train an agent; importing them imports nothing heavy."""

from __future__ import annotations

import shlex
from dataclasses import MISSING, dataclass, field, fields, make_dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer


@dataclass(frozen=True, kw_only=True)
class LocalOptions:
    """How a local model is loaded and computed."""

    dtype: Annotated[
        str | None,
        typer.Option(help="float32 or bfloat16. [default: by device]", show_default=False),
    ] = None
    device: Annotated[
        str | None,
        typer.Option(help="cpu or cuda. [default: cuda if there is one]", show_default=False),
    ] = None
    threads: Annotated[
        int | None,
        typer.Option(
            help="Threads a local model computes with. [default: measured]",
            min=1,
            show_default=False,
        ),
    ] = None
    cache_memory: Annotated[
        float | None,
        typer.Option(
            help="GiB for a local model's keys and values. [default: a share of the machine's]",
            show_default=False,
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """How a server is spoken to."""

    tokenizer: Annotated[
        Path | None,
        typer.Option(
            help="Folder with the tokenizer of a served model: prompts are rendered here, and "
            "replies prefilled.",
            show_default=False,
        ),
    ] = None
    concurrency: Annotated[
        int | None,
        typer.Option(
            help="Requests to servers at a time. [default: 32]", min=1, show_default=False
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class LoadingOptions(ServerOptions, LocalOptions):
    """How an agent's model is loaded, or its server asked; no agent has all of these.

    They are keyword arguments of `cotgap.agents.specs.make_agent`, which says what None stands for.
    """

    PANEL: ClassVar = "Agent"

    batch_size: Annotated[
        int | None, typer.Option(help="Episodes or tasks played at a time.", min=1)
    ] = None

    def keywords(self) -> dict[str, Any]:
        """The options by name, as `make_agent` takes them."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


@cache
def loading_options() -> type[LoadingOptions]:
    """`LoadingOptions`, and the options of other distributions' backends where there are any."""
    if not entry_points(group="cotgap.backends"):
        return LoadingOptions
    from cotgap.agents.backends import option_types  # gymnasium: --help need not wait for it

    known = {one.name for one in fields(LoadingOptions)}
    more = [(name, hint, None) for name, hint in option_types().items() if name not in known]
    return make_dataclass(
        "LoadingOptions", more, bases=(LoadingOptions,), frozen=True, kw_only=True
    )


@dataclass(frozen=True, kw_only=True)
class AgentOptions:
    """Which agent acts, under which protocol."""

    PANEL: ClassVar = "Agent"

    agent: Annotated[
        str,
        typer.Option(
            help="random, expert, noop, noisy, smollm2, ckpt, a checkpoint folder, a .gguf file, "
            "openai:http://HOST:PORT/v1#MODEL (a server; several with commas between them; its "
            "key in OPENAI_API_KEY), or package.module:factory."
        ),
    ] = "ckpt"
    protocol: Annotated[
        str | None, typer.Option(help="tags-1, with +admissible, +asked, +shots=K, +thoughts.")
    ] = None
    loading: LoadingOptions = LoadingOptions()

    def keywords(self) -> dict[str, Any]:
        """The keyword arguments of `make_agent` beside the spec itself."""
        return {"protocol": self.protocol, **self.loading.keywords()}


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Play the expert and write its episodes, with a reason for every action.

    A line is an episode in chat format, which `datasets.load_dataset("json", data_files=...)`
    reads; `agents/training/data.py` describes the fields.
    """

    EXAMPLES: ClassVar = (
        "cotgap data --panel toy/train --episodes 100 --out toy.jsonl",
        "cotgap data --panel alfworld/train --episodes 500 --noise 0.1 --out games.jsonl",
    )

    panel: Annotated[str, typer.Option(help="SUITE/SPLIT of a suite that has an expert.")]
    episodes: Annotated[int, typer.Option(help="How many to play.", min=1)]
    out: Annotated[Path, typer.Option(help="The JSONL file.")]
    noise: Annotated[
        float, typer.Option(help="Probability that a random action is taken (never a target).")
    ] = 0.0
    seed: Annotated[int, typer.Option(help="Decides the tasks' order and the noise.")] = 0


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Train on the expert's episodes, with its reasons, and save a series of checkpoints.

    The same command resumes a stopped run. Every step-NNNNNN folder is a checkpoint with a card,
    which `cotgap run --agent` plays. What is left out is the preset's own.
    """

    EXAMPLES: ClassVar = (
        "cotgap train --preset tiny --out runs/tiny",
        "cotgap train --init agents/checkpoints/tiny-base --action-mask-fraction 0.3 --out masked",
        "cotgap train --preset smollm2 --data games.jsonl --lora 8 --out runs/smollm2",
        "cotgap run --agent runs/tiny/step-000128",
    )

    out: Annotated[Path, typer.Option(help="Folder for checkpoints.")]
    preset: Annotated[
        str,
        typer.Option(
            help="tiny (echoes, drills, transcripts, base, CoT), tiny-base (no CoT), smollm2."
        ),
    ] = "tiny"
    panel: Annotated[
        list[str],
        typer.Option(help="SUITE/SPLIT to train on; repeat to mix. [default: the preset's]"),
    ] = field(default_factory=list)
    data: Annotated[
        list[Path], typer.Option(help="A file of `data` instead of panels; repeat to mix.")
    ] = field(default_factory=list)
    init: Annotated[
        Path | None, typer.Option(help="Checkpoint folder to start from (skips earlier stages).")
    ] = None
    action_mask_fraction: Annotated[
        float, typer.Option(help="Share k of examples whose action tokens get no loss.")
    ] = 0.0
    mix: Annotated[
        str | None, typer.Option(help="Shares of targets, as cot=0.7,direct=0.2,both=0.1.")
    ] = None
    steps: Annotated[int | None, typer.Option(help="Updates.", min=1)] = None
    stage_steps: Annotated[
        list[str], typer.Option(help="Updates of an earlier stage: base=100; repeat.")
    ] = field(default_factory=list)
    batch_size: Annotated[int | None, typer.Option(help="Episodes a pass.", min=1)] = None
    learning_rate: Annotated[float | None, typer.Option(help="At its highest.")] = None
    drills: Annotated[
        int | None, typer.Option(help="Look-up drills a batch, beside episodes.", min=0)
    ] = None
    noise: Annotated[
        float | None, typer.Option(help="Probability of random actions in panels' episodes.")
    ] = None
    lora: Annotated[
        int | None, typer.Option(help="Rank of a LoRA adapter; 0 trains all weights.", min=0)
    ] = None
    seed: Annotated[int, typer.Option(help="Decides everything random.")] = 0
    device: Annotated[str | None, typer.Option(help="cpu, cuda or cuda:N.")] = None

    @property
    def command(self) -> str:
        """The command line with these options, as a checkpoint's card says it."""
        words = ["cotgap", "train"]
        for one in fields(self):
            value = getattr(self, one.name)
            if one.default is not MISSING and value == one.default:
                continue
            for part in value if isinstance(value, list) else [value]:
                words += [f"--{one.name.replace('_', '-')}", str(part)]
        return shlex.join(words)

"""The command line: `cotgap COMMAND`. Heavy imports wait for their command."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

EXIT_USAGE = 2

app = typer.Typer(
    name="agents",
    help="Expert data and training for CoTGap.",
    epilog="Start with: cotgap train --preset tiny --out runs/tiny",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
)

DATA_EXAMPLES = """Examples:

    cotgap data --panel toy/train --episodes 100 --out toy.jsonl

    cotgap data --panel alfworld/train --episodes 500 --noise 0.1 --out alfworld.jsonl

A line is an episode in chat format, which `datasets.load_dataset("json", data_files=...)` reads;
the fields are described in `agents/training/data.py`."""


@app.command(epilog=DATA_EXAMPLES)
def data(
    panel: Annotated[str, typer.Option(help="SUITE/SPLIT of a suite that has an expert.")],
    episodes: Annotated[int, typer.Option(help="How many to play.", min=1)],
    out: Annotated[Path, typer.Option(help="The JSONL file.")],
    noise: Annotated[
        float, typer.Option(help="Probability that a random action is taken (never a target).")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Decides tasks' order and noise.")] = 0,
) -> None:
    """Play the expert and write its episodes, with a reason for every action."""
    from cotgap.agents.training.data import write_jsonl
    from cotgap.agents.training.sources import PanelSource
    from cotgap.envs.core import CoTGapError

    source = PanelSource(panel, noise, seed)
    if source.tasks is not None and not noise and episodes > source.tasks:
        raise CoTGapError(
            f"--episodes {episodes}: {panel} has {source.tasks} tasks besides those held out, and "
            "without --noise each is always played alike"
        )
    played = (source.episode(number) for number in range(episodes))
    written = write_jsonl(out, (episode for episode in played if episode is not None))
    lost = episodes - written
    note = f" ({lost} left out: not won within the step limit)" if lost else ""
    print(f"{written} episodes in {out}{note}")


TRAIN_EXAMPLES = """Examples:

    cotgap train --preset tiny --out runs/tiny

    cotgap train --preset tiny --init agents/checkpoints/tiny-base
    --action-mask-fraction 0.3 --out runs/masked

    cotgap train --preset smollm2 --data alfworld.jsonl --lora 8 --out runs/smollm2

The same command resumes a stopped run. Every step-NNNNNN folder is a checkpoint with a card:
`cotgap run --agent runs/tiny/step-000128`."""


@app.command(epilog=TRAIN_EXAMPLES)
def train(
    out: Annotated[Path, typer.Option(help="Folder for checkpoints.")],
    preset: Annotated[
        str,
        typer.Option(
            help="tiny (echoes, drills, transcripts, base, CoT), tiny-base (no CoT), smollm2."
        ),
    ] = "tiny",
    panel: Annotated[
        list[str] | None,
        typer.Option(help="SUITE/SPLIT to train on; repeat to mix. [default: the preset's]"),
    ] = None,
    data: Annotated[
        list[Path] | None, typer.Option(help="A file of `data` instead of panels; repeat to mix.")
    ] = None,
    init: Annotated[
        Path | None, typer.Option(help="Checkpoint folder to start from (skips earlier stages).")
    ] = None,
    action_mask_fraction: Annotated[
        float, typer.Option(help="Share k of examples whose action tokens get no loss.")
    ] = 0.0,
    mix: Annotated[
        str | None, typer.Option(help="Shares of targets, as cot=0.7,direct=0.2,both=0.1.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Updates.", min=1)] = None,
    stage_steps: Annotated[
        list[str] | None, typer.Option(help="Updates of an earlier stage: base=100; repeat.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Episodes a pass.", min=1)] = None,
    learning_rate: Annotated[float | None, typer.Option(help="At its highest.")] = None,
    drills: Annotated[
        int | None, typer.Option(help="Look-up drills a batch, beside episodes.", min=0)
    ] = None,
    noise: Annotated[
        float | None, typer.Option(help="Probability of random actions in panels' episodes.")
    ] = None,
    lora: Annotated[
        int | None, typer.Option(help="Rank of a LoRA adapter; 0 trains all weights.", min=0)
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides everything random.")] = 0,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or cuda:N.")] = None,
) -> None:
    """Train on the expert's episodes, with its reasons, and save a series of checkpoints."""
    from cotgap.agents.training.presets import parse_mix, parse_steps
    from cotgap.agents.training.train import TrainOptions, execute

    options = TrainOptions(
        preset=preset,
        out=out,
        panels=tuple(panel or ()),
        data=tuple(data or ()),
        init=init,
        mask_fraction=action_mask_fraction,
        mix=None if mix is None else parse_mix(mix),
        steps=steps,
        stage_steps=parse_steps(stage_steps or ()),
        batch_size=batch_size,
        learning_rate=learning_rate,
        drills=drills,
        noise=noise,
        lora=lora,
        seed=seed,
        device=device,
        command=shlex.join(["python", "-m", "agents", *sys.argv[1:]]),
    )
    print(f"trained: {execute(options)}")


def main() -> None:
    """Run the command line; an error its user can solve is a message and exit code 2."""
    try:
        app()
    except Exception as error:
        from cotgap.envs.core import CoTGapError

        if not isinstance(error, CoTGapError):
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(EXIT_USAGE)


if __name__ == "__main__":
    main()

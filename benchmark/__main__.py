"""The command line: `cotgap COMMAND`. Heavy imports wait for their command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

EXIT_INCOMPLETE, EXIT_USAGE = 3, 2

app = typer.Typer(
    name="benchmark",
    help="CoTGap: where do the gains of chain-of-thought agent training land?",
    epilog="Start with: cotgap run --agent ckpt --mode both",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
)

RUN_EXAMPLES = """Examples:

    cotgap run --agent ckpt --mode both

    cotgap run --agent smollm2 --panel alfworld/valid_unseen --episodes 8

    cotgap run --agent ./my-checkpoint --panel alfworld/valid_seen --repeats 3
    --temperature 0.7 --out runs/mine

    cotgap run --agent openai:http://localhost:8000/v1 --tokenizer ./my-checkpoint

The same command resumes a stopped run. Exit codes: 0 complete, 3 incomplete, 2 bad usage."""


@app.command(epilog=RUN_EXAMPLES)
def run(
    agent: Annotated[
        str,
        typer.Option(
            help="random, expert, noop, noisy, smollm2, ckpt, a checkpoint folder, a .gguf file, "
            "openai:http://HOST:PORT/v1#MODEL (a server; several with commas between them; its "
            "key in OPENAI_API_KEY), or package.module:factory."
        ),
    ] = "ckpt",
    mode: Annotated[
        str, typer.Option(help="Which mode acts: prompt, cot, or both (every task twice).")
    ] = "both",
    panel: Annotated[
        list[str] | None,
        typer.Option(
            help="SUITE/SPLIT; repeat for several. [default: household/id, household/ood_layout]",
            show_default=False,
        ),
    ] = None,
    episodes: Annotated[
        int | None, typer.Option(help="Only the first N tasks of each panel.")
    ] = None,
    repeats: Annotated[int, typer.Option(help="Play every task R times.", min=1)] = 1,
    temperature: Annotated[float, typer.Option(help="0 is greedy decoding.")] = 0.0,
    top_p: Annotated[float, typer.Option(help="Nucleus sampling, with a temperature.")] = 1.0,
    max_steps: Annotated[
        int | None, typer.Option(help="Another step limit (and so another panel lock).")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The run's folder. [default: runs/AGENT-MODE-DIGEST]", show_default=False
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides sampling.")] = 0,
    shadow: Annotated[
        str,
        typer.Option(
            help="auto: the CoT-driven episodes also record the prompt action; "
            "all: every episode records every other mode."
        ),
    ] = "auto",
    protocol: Annotated[
        str | None, typer.Option(help="tags-1, with +admissible, +asked, +shots=K, +thoughts.")
    ] = None,
    action_tokens: Annotated[int, typer.Option(help="Token budget of an action.", min=1)] = 64,
    thought_tokens: Annotated[int, typer.Option(help="Token budget of a thought.", min=1)] = 448,
    timeout: Annotated[float | None, typer.Option(help="Wall seconds an episode may take.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Episodes at a time.", min=1)] = None,
    dtype: Annotated[
        str | None,
        typer.Option(help="float32 or bfloat16. [default: by device]", show_default=False),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(help="cpu or cuda. [default: cuda if there is one]", show_default=False),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            help="Threads a local model computes with. [default: measured]",
            min=1,
            show_default=False,
        ),
    ] = None,
    cache_memory: Annotated[
        float | None,
        typer.Option(
            help="GiB for a local model's keys and values. [default: a share of the machine's]",
            show_default=False,
        ),
    ] = None,
    engine: Annotated[
        str, typer.Option(help="Where episodes run: local (this process) or ray (a cluster).")
    ] = "local",
    ray_address: Annotated[
        str | None,
        typer.Option(
            help="With ray: the cluster. [default: $RAY_ADDRESS, or this machine alone]",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            help="With ray: how many agents. [default: one for each GPU, or for each node]",
            min=1,
            show_default=False,
        ),
    ] = None,
    gpus_per_worker: Annotated[
        float | None,
        typer.Option(
            help="With ray: GPUs of each agent, such as 1 or 0.5. [default: 1 if there are any]",
            min=0,
            show_default=False,
        ),
    ] = None,
    env_workers: Annotated[
        int | None,
        typer.Option(
            help="Processes that slow environments step in, beside a model; 0: none. "
            "[default: as many as processors]",
            min=0,
            show_default=False,
        ),
    ] = None,
    tokenizer: Annotated[
        Path | None,
        typer.Option(
            help="Folder with the tokenizer of a served model: prompts are rendered here, and "
            "replies prefilled.",
            show_default=False,
        ),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(
            help="Requests to servers at a time. [default: 32]", min=1, show_default=False
        ),
    ] = None,
    max_tokens_total: Annotated[
        int | None,
        typer.Option(help="Stop when this many tokens were read and written.", min=1),
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option(help="Stop when the tokens cost this much, by --price.")
    ] = None,
    price: Annotated[
        str | None, typer.Option(help="IN,OUT: of a million tokens read, and written.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON on stdout.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress display.")] = False,
) -> None:
    """Play panels with an agent and report success, CoT gap and revision rate."""
    from cotgap.benchmark.commands import run as command

    options = command.RunOptions(
        agent=agent,
        mode=mode,
        panels=tuple(panel or ("household/id", "household/ood_layout")),
        episodes=episodes,
        repeats=repeats,
        temperature=temperature,
        top_p=top_p,
        max_steps=max_steps,
        out=out,
        seed=seed,
        shadow=shadow,
        protocol=protocol,
        action_tokens=action_tokens,
        thought_tokens=thought_tokens,
        timeout=timeout,
        batch_size=batch_size,
        dtype=dtype,
        device=device,
        threads=threads,
        cache_memory=cache_memory,
        engine=engine,
        ray_address=ray_address,
        workers=workers,
        gpus_per_worker=gpus_per_worker,
        env_workers=env_workers,
        tokenizer=tokenizer,
        concurrency=concurrency,
        max_tokens_total=max_tokens_total,
        max_cost=max_cost,
        price=price,
    )
    complete = command.execute(options, as_json=as_json, quiet=quiet)
    raise typer.Exit(0 if complete else EXIT_INCOMPLETE)


PROBE_EXAMPLES = """Probes: **offline** (accuracy on expert states), **conflict** (does the action
follow a forced trace?), **dose** (how much of its trace does it need?), **attribution** (prompt or
reasoning?), **branch** (does a revision change the outcome?).

    cotgap probe offline --agent smollm2 --panel household/id --episodes 4

    cotgap probe conflict --agent path/to/checkpoint --panel household/id

The same command resumes a stopped probe. Exit codes: 0 complete, 3 incomplete, 2 bad usage."""


@app.command(epilog=PROBE_EXAMPLES)
def probe(
    name: Annotated[
        str, typer.Argument(help="offline, conflict, dose, attribution or branch.", metavar="NAME")
    ],
    agent: Annotated[str, typer.Option(help="As for `run`.")] = "ckpt",
    panel: Annotated[
        list[str] | None,
        typer.Option(help="SUITE/SPLIT; repeat for several. [default: toy/id]", show_default=False),
    ] = None,
    episodes: Annotated[int, typer.Option(help="Only the first N tasks of each panel.")] = 20,
    states: Annotated[int, typer.Option(help="At most N states of each task.")] = 4,
    mode: Annotated[
        str, typer.Option(help="Which mode drives where the agent plays itself (branch).")
    ] = "cot",
    max_steps: Annotated[int | None, typer.Option(help="Another step limit.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The probe's folder. [default: runs/probe-NAME-AGENT-DIGEST]", show_default=False
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides which states and actions are drawn.")] = 0,
    protocol: Annotated[
        str | None, typer.Option(help="tags-1, with +admissible, +shots=K, +thoughts as wanted.")
    ] = None,
    action_tokens: Annotated[int, typer.Option(help="Token budget of an action.", min=1)] = 64,
    thought_tokens: Annotated[int, typer.Option(help="Token budget of a thought.", min=1)] = 448,
    batch_size: Annotated[int | None, typer.Option(help="Tasks at a time.", min=1)] = None,
    dtype: Annotated[str | None, typer.Option(help="float32 or bfloat16.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda.")] = None,
    threads: Annotated[
        int | None, typer.Option(help="Threads a local model computes with.", min=1)
    ] = None,
    cache_memory: Annotated[
        float | None, typer.Option(help="GiB for a local model's keys and values.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON on stdout.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress display.")] = False,
) -> None:
    """Ask an agent at chosen states what its actions rest on."""
    from cotgap.benchmark.commands import probe as command

    options = command.ProbeOptions(
        probe=name,
        agent=agent,
        panels=tuple(panel or ("toy/id",)),
        episodes=episodes,
        states=states,
        mode=mode,
        max_steps=max_steps,
        out=out,
        seed=seed,
        protocol=protocol,
        action_tokens=action_tokens,
        thought_tokens=thought_tokens,
        batch_size=batch_size,
        dtype=dtype,
        device=device,
        threads=threads,
        cache_memory=cache_memory,
    )
    complete = command.execute(options, as_json=as_json, quiet=quiet)
    raise typer.Exit(0 if complete else EXIT_INCOMPLETE)


SWEEP_EXAMPLES = """Examples:

    cotgap sweep --checkpoints 'runs/plain/step-*' --checkpoints 'runs/masked/step-*'
    --panel household/id --panel household/ood_task --probe conflict --probe offline

    cotgap sweep --checkpoints 'mine/*' --order early,middle,late --panel toy/id

The same command resumes. Exit codes: 0 complete, 3 incomplete, 2 bad usage."""


@app.command(epilog=SWEEP_EXAMPLES)
def sweep(
    checkpoints: Annotated[
        list[str], typer.Option(help="A pattern for checkpoint folders; repeat for several.")
    ],
    panel: Annotated[list[str], typer.Option(help="SUITE/SPLIT; repeat for several.")],
    probe: Annotated[
        list[str] | None, typer.Option(help="Also probe every checkpoint; repeat for several.")
    ] = None,
    order: Annotated[
        str,
        typer.Option(help="Folder names, first to last, with commas, if cards are missing."),
    ] = "",
    episodes: Annotated[
        int | None, typer.Option(help="Only the first N tasks of each panel.")
    ] = None,
    states: Annotated[int, typer.Option(help="Probes: at most N states of each task.", min=1)] = 4,
    max_steps: Annotated[int | None, typer.Option(help="Another step limit.")] = None,
    margin: Annotated[
        float, typer.Option(help="Percentage points by which a CoT gap widens if it widens.")
    ] = 5.0,
    rescore: Annotated[
        bool, typer.Option("--rescore", help="Also under other protocols that need no new run.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="The sweep's folder. [default: runs/sweep-DIGEST]", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides which states and actions are drawn.")] = 0,
    protocol: Annotated[
        str | None, typer.Option(help="tags-1, with +admissible, +shots=K, +thoughts as wanted.")
    ] = None,
    action_tokens: Annotated[int, typer.Option(help="Token budget of an action.", min=1)] = 64,
    thought_tokens: Annotated[int, typer.Option(help="Token budget of a thought.", min=1)] = 448,
    batch_size: Annotated[int | None, typer.Option(help="Episodes at a time.", min=1)] = None,
    dtype: Annotated[str | None, typer.Option(help="float32 or bfloat16.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda.")] = None,
    threads: Annotated[
        int | None, typer.Option(help="Threads a local model computes with.", min=1)
    ] = None,
    cache_memory: Annotated[
        float | None, typer.Option(help="GiB for a local model's keys and values.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON on stdout.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress display.")] = False,
) -> None:
    """Measure a series of checkpoints alike and say where training's gains land."""
    from cotgap.benchmark.commands import sweep as command
    from cotgap.benchmark.sweeps.running import Loading

    options = command.SweepOptions(
        checkpoints=tuple(checkpoints),
        order=tuple(filter(None, order.split(","))),
        panels=tuple(panel),
        probes=tuple(dict.fromkeys(probe or ())),
        episodes=episodes,
        states=states,
        max_steps=max_steps,
        margin=margin / 100,
        out=out,
        seed=seed,
        protocol=protocol,
        action_tokens=action_tokens,
        thought_tokens=thought_tokens,
        dtype=dtype,
        loading=Loading(batch_size, device, threads, cache_memory),
        rescore=rescore,
    )
    complete = command.execute(options, as_json=as_json, quiet=quiet)
    raise typer.Exit(0 if complete else EXIT_INCOMPLETE)


COMPARE_EXAMPLES = """Examples:

    cotgap compare runs/main runs/mine

    cotgap compare runs/main runs/mine --margin 3 --gate success --gate cot_gap
    --markdown summary.md --junit gate.xml --report reports/mine

Gates: **success** and **score** (in every mode, or `success:prompt`), **cot_gap**. Verdicts: no
worse, worse, cannot tell. Exit codes: 0 no worse (or no gate), 1 worse, 4 cannot tell, 3
incomplete, 2 bad usage or runs that cannot be compared."""


@app.command(epilog=COMPARE_EXAMPLES)
def compare(
    baseline: Annotated[Path, typer.Argument(help="The run to compare with.", metavar="A")],
    candidate: Annotated[Path, typer.Argument(help="The run in question.", metavar="B")],
    panel: Annotated[
        list[str] | None,
        typer.Option(
            help="SUITE/SPLIT; repeat for several. [default: all that both played]",
            show_default=False,
        ),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(help="Gate: by how many percentage points B may be worse.", metavar="PP"),
    ] = None,
    gate: Annotated[
        list[str] | None,
        typer.Option(
            help="METRIC or METRIC:MODE; repeat for several, all of which must hold. "
            "[default: success]",
            show_default=False,
            metavar="METRIC",
        ),
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Write a summary for a pull request.", metavar="FILE")
    ] = None,
    junit: Annotated[
        Path | None, typer.Option(help="Write the gates as JUnit XML.", metavar="FILE")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Write both runs as pages; flipped tasks link to their first different step.",
            metavar="DIR",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON on stdout.")] = False,
) -> None:
    """Compare two runs task by task, and gate on B being no worse than A."""
    from cotgap.benchmark.commands import compare as command

    options = command.CompareOptions(
        baseline=baseline,
        candidate=candidate,
        panels=tuple(dict.fromkeys(panel or ())),
        margin=margin,
        gates=tuple(gate or ()),
        markdown=markdown,
        junit=junit,
        report=report,
    )
    raise typer.Exit(command.execute(options, as_json=as_json))


POWER_EXAMPLES = """Examples:

    cotgap power --panel alfworld/valid_unseen --effect 5

    cotgap power --panel household/id --baseline runs/main --effect 5 --margin 3
    --repeats 3

With 80 % power at the 5 % level."""


@app.command(epilog=POWER_EXAMPLES)
def power(
    panel: Annotated[str, typer.Option(help="SUITE/SPLIT.")],
    effect: Annotated[
        float, typer.Option(help="The difference to be found, in percentage points.", metavar="PP")
    ] = 5.0,
    baseline: Annotated[
        Path | None,
        typer.Option(help="A run that says how much outcomes differ.", metavar="RUN"),
    ] = None,
    mode: Annotated[
        str | None,
        typer.Option(help="Its driving mode. [default: its first]", show_default=False),
    ] = None,
    repeats: Annotated[
        int, typer.Option(help="How often each task is to be played.", min=1, metavar="R")
    ] = 1,
    margin: Annotated[
        float | None,
        typer.Option(help="Also for a gate: no worse by this much.", metavar="PP"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON on stdout.")] = False,
) -> None:
    """How many tasks and repeats does an effect need, and what can this panel resolve?"""
    from cotgap.benchmark.commands import power as command

    command.execute(
        panel,
        effect=effect,
        baseline=baseline,
        mode=mode,
        repeats=repeats,
        margin=margin,
        as_json=as_json,
    )


@app.command()
def panels(
    suite: Annotated[str | None, typer.Argument(help="Only this suite.")] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Also the panels by task kind and by wording.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with full locks.")] = False,
) -> None:
    """List suites and panels: sizes, locks, and what each needs to be played."""
    from cotgap.benchmark.commands.panels import execute

    execute(suite, every=every, as_json=as_json)


@app.command(epilog="Example: `cotgap play toy/id`")
def play(
    panel: Annotated[str, typer.Argument(help="SUITE/SPLIT, or SUITE/SPLIT/TASK.")],
    task: Annotated[
        int | None, typer.Option(help="The task's number in the panel, from 0.", min=0)
    ] = None,
    seed: Annotated[int, typer.Option(help="Which task is drawn without --task.")] = 0,
) -> None:
    """Play a game yourself. `?` lists the actions, `!` asks the expert, Ctrl-D leaves."""
    from cotgap.benchmark.commands.play import execute

    execute(panel, task, seed)


AUDIT_EXAMPLES = """Examples:

    cotgap audit

    cotgap audit --panel toy/id --panel toy/ood_layout --force

Exit codes: 0 all audited, 3 some panel had an episode without a score, 2 bad usage."""


@app.command(epilog=AUDIT_EXAMPLES)
def audit(
    panel: Annotated[
        list[str] | None,
        typer.Option(
            help="SUITE/SPLIT; repeat for several. [default: all that are playable]",
            show_default=False,
        ),
    ] = None,
    episodes: Annotated[
        int | None, typer.Option(help="Only the first N tasks of each panel.")
    ] = None,
    floor_tasks: Annotated[
        int, typer.Option(help="How many of them random and do-nothing play.", min=1)
    ] = 300,
    force: Annotated[
        bool, typer.Option("--force", help="Also panels audited under their current lock.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="The file. [default: the published one in envs/]", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the audits as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress display.")] = False,
) -> None:
    """Play expert, random and do-nothing: each panel's ceiling, floor and unpassable tasks."""
    from cotgap.benchmark.commands.audit import execute
    from cotgap.envs.audits import FILE
    from cotgap.envs.core import CoTGapError

    if episodes is not None and out is None:
        raise CoTGapError("--episodes N: the published file holds whole panels; give --out FILE")
    audited = execute(
        panel or [],
        episodes=episodes,
        floor_tasks=floor_tasks,
        force=force,
        out=out or FILE,
        as_json=as_json,
        quiet=quiet,
    )
    raise typer.Exit(0 if audited else EXIT_INCOMPLETE)


@app.command(name="report", epilog="Example: `cotgap report runs/ckpt-both-1a2b3c4d --open`")
def write_report(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, finished or not.")],
    out: Annotated[
        Path | None,
        typer.Option(help="The report's folder. [default: reports/RUN]", show_default=False),
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
) -> None:
    """Write runs as static pages with a trajectory viewer."""
    from cotgap.benchmark.commands.report import execute

    execute(runs, out=out, show=show)


@app.command()
def doctor() -> None:
    """Check versions, data and panels, and say what would make numbers incomparable."""
    from cotgap.benchmark.commands.doctor import execute

    raise typer.Exit(0 if execute() else 1)


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

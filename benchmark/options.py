"""Options of the measuring commands: one class per command is its command line and its help.

What several commands share is a class of its own, held as a field. `cotgap.cli` makes commands of
these classes; importing them imports nothing heavy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from cotgap.agents.options import AgentOptions, LoadingOptions

DEFAULT_PANELS = ("household/id", "household/ood_layout")
EXIT_INCOMPLETE = 3
RESUMES = (
    "The same command resumes. Exit codes: 0 complete, 3 incomplete, 2 bad usage, 128 + N stopped "
    "by signal N."
)


@dataclass(frozen=True, kw_only=True)
class PanelOptions:
    """Which tasks are played."""

    PANEL: ClassVar = "Tasks"

    panel: Annotated[
        list[str],
        typer.Option(
            help="SUITE/SPLIT; repeat for several. [default: household/id, household/ood_layout]",
            show_default=False,
        ),
    ] = field(default_factory=list)
    episodes: Annotated[int | None, typer.Option(help="Only the first N tasks of each panel.")] = (
        None
    )
    max_steps: Annotated[
        int | None, typer.Option(help="Another step limit (and so another panel lock).")
    ] = None

    @property
    def names(self) -> tuple[str, ...]:
        """The panels' names, each once; the default ones where none was given."""
        return tuple(dict.fromkeys(self.panel)) or DEFAULT_PANELS


@dataclass(frozen=True, kw_only=True)
class LimitOptions:
    """How long a reply may be."""

    PANEL: ClassVar = "Decoding"

    action_tokens: Annotated[int, typer.Option(help="Token budget of an action.", min=1)] = 64
    thought_tokens: Annotated[int, typer.Option(help="Token budget of a thought.", min=1)] = 448


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """How a token is chosen."""

    PANEL: ClassVar = "Decoding"

    temperature: Annotated[float, typer.Option(help="0 is greedy decoding.")] = 0.0
    top_p: Annotated[float, typer.Option(help="Nucleus sampling, with a temperature.")] = 1.0


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Where episodes run."""

    PANEL: ClassVar = "Where it runs"

    engine: Annotated[str, typer.Option(help="local (this process) or ray (a cluster).")] = "local"
    ray_address: Annotated[
        str | None,
        typer.Option(
            help="With ray: the cluster. [default: $RAY_ADDRESS, or this machine alone]",
            show_default=False,
        ),
    ] = None
    workers: Annotated[
        int | None,
        typer.Option(
            help="With ray: how many agents. [default: one for each GPU, or for each node]",
            min=1,
            show_default=False,
        ),
    ] = None
    gpus_per_worker: Annotated[
        float | None,
        typer.Option(
            help="With ray: GPUs of each agent, such as 1 or 0.5. [default: 1 if there are any]",
            min=0,
            show_default=False,
        ),
    ] = None
    env_workers: Annotated[
        int | None,
        typer.Option(
            help="Processes that slow environments step in, beside a model; 0: none. "
            "[default: as many as processors]",
            min=0,
            show_default=False,
        ),
    ] = None
    timeout: Annotated[float | None, typer.Option(help="Wall seconds an episode may take.")] = None


@dataclass(frozen=True, kw_only=True)
class BudgetOptions:
    """When to stop, for agents that count their tokens; the same command with more goes on."""

    PANEL: ClassVar = "Budget"

    max_tokens_total: Annotated[
        int | None,
        typer.Option(help="Stop when this many tokens were read and written.", min=1),
    ] = None
    max_cost: Annotated[
        float | None, typer.Option(help="Stop when the tokens cost this much, by --price.")
    ] = None
    price: Annotated[
        str | None, typer.Option(help="IN,OUT: of a million tokens read, and written.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class JsonOptions:
    """How results are printed."""

    PANEL: ClassVar = "Output"

    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False


@dataclass(frozen=True, kw_only=True)
class OutputOptions(JsonOptions):
    """How results and progress are printed."""

    quiet: Annotated[bool, typer.Option("--quiet", help="No progress display.")] = False


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Play panels with an agent and report success, CoT gap and revision rate."""

    EXAMPLES: ClassVar = (
        "cotgap run --agent ckpt --mode both",
        "cotgap run --agent smollm2 --panel alfworld/valid_unseen --episodes 8",
        "cotgap run --agent ./my-checkpoint --repeats 3 --temperature 0.7 --out runs/mine",
        "cotgap run --agent openai:http://localhost:8000/v1 --tokenizer ./my-checkpoint",
    )
    NOTE: ClassVar = RESUMES

    agent: AgentOptions = AgentOptions()
    mode: Annotated[
        str,
        typer.Option(help="Which modes act: prompt, cot, both (every task twice), or a,b,c."),
    ] = "both"
    tasks: PanelOptions = PanelOptions()
    repeats: Annotated[int, typer.Option(help="Play every task R times.", min=1)] = 1
    out: Annotated[
        Path | None,
        typer.Option(
            help="The run's folder. [default: runs/AGENT-MODE-DIGEST]", show_default=False
        ),
    ] = None
    seed: Annotated[int, typer.Option(help="Decides sampling.")] = 0
    shadow: Annotated[
        str,
        typer.Option(
            help="auto: episodes also record the actions of the modes named before theirs; "
            "all: every episode records every other mode."
        ),
    ] = "auto"
    sampling: SamplingOptions = SamplingOptions()
    limits: LimitOptions = LimitOptions()
    engine: EngineOptions = EngineOptions()
    budget: BudgetOptions = BudgetOptions()
    output: OutputOptions = OutputOptions()


@dataclass(frozen=True, kw_only=True)
class ProbeOptions:
    """Ask an agent at chosen states what its actions rest on.

    **offline**: accuracy on the expert's states. **conflict**: does the action follow a forced
    trace? **dose**: how much of its trace does it need? **attribution**: prompt or reasoning?
    **branch**: does a revision change the outcome?
    """

    EXAMPLES: ClassVar = (
        "cotgap probe offline --agent smollm2 --panel household/id --episodes 4",
        "cotgap probe conflict --agent path/to/checkpoint --panel household/id",
    )
    NOTE: ClassVar = RESUMES

    probe: Annotated[
        str,
        typer.Argument(help="offline, conflict, dose, attribution or branch.", metavar="NAME"),
    ]
    agent: AgentOptions = AgentOptions()
    mode: Annotated[
        str, typer.Option(help="Which mode drives where the agent plays itself (branch).")
    ] = "cot"
    tasks: PanelOptions = PanelOptions(episodes=20)
    states: Annotated[int, typer.Option(help="At most N states of each task.", min=1)] = 4
    out: Annotated[
        Path | None,
        typer.Option(
            help="The probe's folder. [default: runs/probe-NAME-AGENT-DIGEST]", show_default=False
        ),
    ] = None
    seed: Annotated[int, typer.Option(help="Decides which states and actions are drawn.")] = 0
    limits: LimitOptions = LimitOptions()
    engine: EngineOptions = EngineOptions()
    budget: BudgetOptions = BudgetOptions()
    output: OutputOptions = OutputOptions()


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """Measure a series of checkpoints alike and say where training's gains land."""

    EXAMPLES: ClassVar = (
        "cotgap sweep --checkpoints 'plain/step-*' --checkpoints 'masked/step-*' --panel toy/id",
        "cotgap sweep --checkpoints 'mine/*' --order early,middle,late --probe conflict",
    )
    NOTE: ClassVar = RESUMES

    checkpoints: Annotated[
        list[str], typer.Option(help="A pattern for checkpoint folders; repeat for several.")
    ]
    probe: Annotated[
        list[str], typer.Option(help="Also probe every checkpoint; repeat for several.")
    ] = field(default_factory=list)
    order: Annotated[
        str,
        typer.Option(help="Folder names, first to last, with commas, if cards are missing."),
    ] = ""
    tasks: PanelOptions = PanelOptions()
    protocol: Annotated[
        str | None, typer.Option(help="tags-1, with +admissible, +shots=K, +thoughts.")
    ] = None
    loading: LoadingOptions = LoadingOptions()
    states: Annotated[int, typer.Option(help="Probes: at most N states of each task.", min=1)] = 4
    margin: Annotated[
        float, typer.Option(help="Percentage points by which a CoT gap widens if it widens.")
    ] = 5.0
    rescore: Annotated[
        bool, typer.Option("--rescore", help="Also under other protocols that need no new run.")
    ] = False
    out: Annotated[
        Path | None,
        typer.Option(help="The sweep's folder. [default: runs/sweep-DIGEST]", show_default=False),
    ] = None
    seed: Annotated[int, typer.Option(help="Decides which states and actions are drawn.")] = 0
    limits: LimitOptions = LimitOptions()
    engine: EngineOptions = EngineOptions()
    budget: BudgetOptions = BudgetOptions()
    output: OutputOptions = OutputOptions()


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """Compare two runs task by task, and gate on B being no worse than A.

    Verdicts of a gate: no worse, worse, cannot tell.
    """

    EXAMPLES: ClassVar = (
        "cotgap compare runs/main runs/mine",
        "cotgap compare runs/main runs/mine --margin 3 --gate success --gate cot_gap",
        "cotgap compare runs/main runs/mine --margin 3 --markdown summary.md --junit gate.xml",
    )
    NOTE: ClassVar = (
        "Exit codes: 0 no worse (or no gate), 1 worse, 4 cannot tell, 3 incomplete, 2 bad usage or "
        "runs that cannot be compared."
    )

    baseline: Annotated[Path, typer.Argument(help="The run to compare with.", metavar="A")]
    candidate: Annotated[Path, typer.Argument(help="The run in question.", metavar="B")]
    panel: Annotated[
        list[str],
        typer.Option(
            help="SUITE/SPLIT; repeat for several. [default: all that both played]",
            show_default=False,
        ),
    ] = field(default_factory=list)
    margin: Annotated[
        float | None,
        typer.Option(
            help="Gate: by how many percentage points B may be worse; of steps and tokens, by how "
            "many per cent of A's.",
            metavar="PP",
        ),
    ] = None
    gate: Annotated[
        list[str],
        typer.Option(
            help="METRIC or METRIC:MODE; repeat for several, all of which must hold. "
            "[default: success]",
            show_default=False,
            metavar="METRIC",
        ),
    ] = field(default_factory=list)
    markdown: Annotated[
        Path | None, typer.Option(help="Write a summary for a pull request.", metavar="FILE")
    ] = None
    junit: Annotated[
        Path | None, typer.Option(help="Write the gates as JUnit XML.", metavar="FILE")
    ] = None
    report: Annotated[
        Path | None,
        typer.Option(
            help="Write both runs as pages; flipped tasks link to their first different step.",
            metavar="DIR",
        ),
    ] = None
    output: JsonOptions = JsonOptions()


@dataclass(frozen=True, kw_only=True)
class PowerOptions:
    """How many tasks and repeats does an effect need, and what can this panel resolve?

    With 80 % power at the 5 % level.
    """

    EXAMPLES: ClassVar = (
        "cotgap power --panel alfworld/valid_unseen --effect 5",
        "cotgap power --panel household/id --baseline runs/main --margin 3 --repeats 3",
    )

    panel: Annotated[str, typer.Option(help="SUITE/SPLIT.")]
    effect: Annotated[
        float, typer.Option(help="The difference to be found, in percentage points.", metavar="PP")
    ] = 5.0
    baseline: Annotated[
        Path | None,
        typer.Option(help="A run that says how much outcomes differ.", metavar="RUN"),
    ] = None
    mode: Annotated[
        str | None,
        typer.Option(help="Its driving mode. [default: its first]", show_default=False),
    ] = None
    metric: Annotated[
        str, typer.Option(help="What is to differ: a metric that is a share of episodes.")
    ] = "success"
    repeats: Annotated[
        int, typer.Option(help="How often each task is to be played.", min=1, metavar="R")
    ] = 1
    margin: Annotated[
        float | None,
        typer.Option(help="Also for a gate: no worse by this much.", metavar="PP"),
    ] = None
    output: JsonOptions = JsonOptions()


@dataclass(frozen=True, kw_only=True)
class PanelsOptions:
    """List suites and panels: sizes, locks, and what each needs to be played."""

    EXAMPLES: ClassVar = ("cotgap panels", "cotgap panels alfworld --all")

    suite: Annotated[str | None, typer.Argument(help="Only this suite.")] = None
    every: Annotated[
        bool, typer.Option("--all", help="Also the panels by task kind and by wording.")
    ] = False
    output: JsonOptions = JsonOptions()


@dataclass(frozen=True, kw_only=True)
class PlayOptions:
    """Play a game yourself. `?` lists the actions, `!` asks the expert, Ctrl-D leaves."""

    EXAMPLES: ClassVar = ("cotgap play toy/id", "cotgap play household/id --task 3")

    panel: Annotated[str, typer.Argument(help="SUITE/SPLIT, or SUITE/SPLIT/TASK.")]
    task: Annotated[
        int | None, typer.Option(help="The task's number in the panel, from 0.", min=0)
    ] = None
    seed: Annotated[int, typer.Option(help="Which task is drawn without --task.")] = 0


@dataclass(frozen=True, kw_only=True)
class AuditOptions:
    """Play expert, random and do-nothing: each panel's ceiling, floor and unpassable tasks."""

    EXAMPLES: ClassVar = (
        "cotgap audit",
        "cotgap audit --panel toy/id --panel toy/ood_layout --force",
        "cotgap audit --out envs/audits.json",
    )
    NOTE: ClassVar = (
        "Exit codes: 0 all audited, 3 some panel had an episode without a score, 2 bad usage."
    )

    panel: Annotated[
        list[str],
        typer.Option(
            help="SUITE/SPLIT; repeat for several. [default: all that are playable]",
            show_default=False,
        ),
    ] = field(default_factory=list)
    episodes: Annotated[int | None, typer.Option(help="Only the first N tasks of each panel.")] = (
        None
    )
    floor_tasks: Annotated[
        int, typer.Option(help="How many of them random and do-nothing play.", min=1)
    ] = 300
    force: Annotated[
        bool, typer.Option("--force", help="Also panels audited under their current lock.")
    ] = False
    out: Annotated[
        Path,
        typer.Option(help="The file; other panels' audits in it are kept."),
    ] = Path("audits.json")
    output: OutputOptions = OutputOptions()


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """Write runs, sweeps and probes as static pages with a trajectory viewer."""

    EXAMPLES: ClassVar = ("cotgap report runs/ckpt-both-1a2b3c4d --open",)

    runs: Annotated[list[Path], typer.Argument(help="Run folders, finished or not.")]
    out: Annotated[
        Path | None,
        typer.Option(help="The report's folder. [default: reports/RUN]", show_default=False),
    ] = None
    show: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False


@dataclass(frozen=True, kw_only=True)
class DoctorOptions:
    """Check versions, data and panels, and say what would make numbers incomparable."""

    EXAMPLES: ClassVar = ("cotgap doctor",)
    NOTE: ClassVar = "Exit codes: 0 healthy, 1 something would make numbers incomparable."


@dataclass(frozen=True, kw_only=True)
class ScaleOptions:
    """Say what a larger study would take, from what a run took; see docs/scale.md."""

    EXAMPLES: ClassVar = ("cotgap scale runs/mine --games 10000 --checkpoints 20 --workers 8",)

    run: Annotated[Path, typer.Argument(help="A run's folder, of the model and GPU in question.")]
    games: Annotated[int, typer.Option(help="Games of the study.", min=1)] = 10_000
    checkpoints: Annotated[int, typer.Option(help="Checkpoints of the study.", min=1)] = 20
    modes: Annotated[int, typer.Option(help="Modes in which each game is played.", min=1)] = 2
    workers: Annotated[int, typer.Option(help="GPUs, with a worker on each.", min=1)] = 8
    start_seconds: Annotated[
        float, typer.Option(help="Seconds that loading a checkpoint takes.", min=0)
    ] = 0.0


@dataclass(frozen=True, kw_only=True)
class PrepareOptions:
    """Copy ALFWorld's games from an archive or a folder to $ALFWORLD_DATA, and check them."""

    EXAMPLES: ClassVar = ("cotgap games prepare ~/alfworld.tar.xz",)
    NOTE: ClassVar = "Exit codes: 0 all games are whole, 2 some are not, or bad usage."

    source: Annotated[
        Path, typer.Argument(help="A .tar(.gz|.xz|.bz2) or .zip of games, or a folder of them.")
    ]


@dataclass(frozen=True, kw_only=True)
class GenerateOptions:
    """Make TextWorld's games before they are needed, in $COTGAP_CACHE."""

    EXAMPLES: ClassVar = (
        "cotgap games generate",
        "cotgap games generate --panel textworld/id --workers 1",
    )

    panel: Annotated[
        list[str],
        typer.Option(help="textworld/SPLIT; repeat for several. [default: all]"),
    ] = field(default_factory=list)
    workers: Annotated[
        int | None,
        typer.Option(help="Processes. [default: one for each core]", min=1, show_default=False),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Write generated households as files that the stock ALFWorld engine plays identically.

    They lie in DIR/json_2.1.1/PANEL/, as ALFWorld's own do. The extra `alfworld` must be installed,
    as the files carry its rules. household/ood_wording exports the games of household/id: files
    know the wordings of ALFWorld only.
    """

    EXAMPLES: ClassVar = (
        "cotgap games export household/ood_layout games",
        "cotgap games export household/id games --wording older --limit 20",
        "cotgap games export household/train games --limit 5000",
    )

    panel: Annotated[str, typer.Argument(help="household/SPLIT.")]
    folder: Annotated[Path, typer.Argument(help="Where to write.", metavar="DIR")]
    wording: Annotated[str, typer.Option(help="current, older or package.")] = "current"
    limit: Annotated[
        int | None,
        typer.Option(
            help="Only the first N games. [default: the whole panel; train has no end]",
            show_default=False,
        ),
    ] = None

"""`benchmark run`: resolve the options, play, print the tables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from rich.console import Console

from cotgap.agents.agent import AgentCard
from cotgap.agents.core import Sampling
from cotgap.agents.modes import modes
from cotgap.benchmark.metrics.core import PAIR, PROMPT
from cotgap.benchmark.records.config import Limits, PanelPlan, RunConfig, Shadow, plan_panel
from cotgap.benchmark.report.progress import LiveProgress
from cotgap.benchmark.report.terminal import print_result
from cotgap.benchmark.rollout.budget import Budget, parse_prices
from cotgap.benchmark.rollout.engines import open_site
from cotgap.benchmark.rollout.engines.core import AgentRecipe, Placement, Site
from cotgap.benchmark.rollout.runner import Progress, RunResult, run
from cotgap.envs.core import CoTGapError, SuiteUnavailableError, UnknownNameError
from cotgap.envs.registry import get_panel, get_suite

BOTH = "both"


@dataclass(frozen=True)
class RunOptions:
    """The options of the command line, as given; see `cotgap run --help`."""

    agent: str
    mode: str
    panels: tuple[str, ...]
    episodes: int | None
    repeats: int
    temperature: float
    top_p: float
    max_steps: int | None
    out: Path | None
    seed: int
    shadow: str
    protocol: str | None
    action_tokens: int
    thought_tokens: int
    timeout: float | None
    batch_size: int | None
    dtype: str | None
    device: str | None
    threads: int | None
    cache_memory: float | None
    engine: str = "local"
    ray_address: str | None = None
    workers: int | None = None
    gpus_per_worker: float | None = None
    env_workers: int | None = None
    tokenizer: Path | None = None
    concurrency: int | None = None
    max_tokens_total: int | None = None
    max_cost: float | None = None
    price: str | None = None


def execute(options: RunOptions, *, as_json: bool, quiet: bool) -> bool:
    """Run; returns whether every planned episode has a score."""
    watch = Console(stderr=True)
    drivers = resolve_modes(options.mode)
    # Everything cheap is checked before a model is loaded.
    plans = tuple(
        plan_panel(get_panel(name), options.episodes, options.max_steps)
        for name in dict.fromkeys(options.panels)
    )
    check_usable(plans)
    if options.shadow not in get_args(Shadow):
        raise UnknownNameError("shadow policy", options.shadow, get_args(Shadow))
    budget = Budget(
        options.max_tokens_total,
        options.max_cost,
        None if options.price is None else parse_prices(options.price),
    )
    site = open_site(options.engine, recipe_of(options), placement_of(options))
    try:
        config = RunConfig(
            agent=site.card.description,
            protocol=str(site.card.protocol),
            modes=drivers,
            shadow=cast(Shadow, options.shadow),
            panels=plans,
            repeats=options.repeats,
            sampling=Sampling(options.temperature, options.top_p),
            limits=Limits(options.action_tokens, options.thought_tokens, options.timeout),
            seed=options.seed,
        )
        folder = options.out or default_folder(options, config)
        result = _play(site, config, folder, options, budget, watch, quiet=quiet)
    finally:
        site.close()
    if as_json:
        print(json.dumps(result.to_json(), indent=2, ensure_ascii=False))
    else:
        print_result(result, Console())
    return result.complete


def recipe_of(options: RunOptions) -> AgentRecipe:
    """The agent that the options name."""
    return AgentRecipe(
        options.agent,
        {
            "protocol": options.protocol,
            "dtype": options.dtype,
            "device": options.device,
            "batch_size": options.batch_size,
            "threads": options.threads,
            "cache_memory": options.cache_memory,
            "tokenizer": options.tokenizer,
            "concurrency": options.concurrency,
        },
    )


def placement_of(options: RunOptions) -> Placement:
    """Where the options want it."""
    return Placement(options.ray_address, options.workers, options.gpus_per_worker)


def _play(
    site: Site,
    config: RunConfig,
    folder: Path,
    options: RunOptions,
    budget: Budget,
    watch: Console,
    *,
    quiet: bool,
) -> RunResult:
    if not quiet:
        name = site.card.name
        watch.print(f"agent {name} → {folder}", style="bold", markup=False, highlight=False)
        for notice in (site.card.notice, *_notices(site.card, config, options)):
            if notice:
                watch.print(notice, style="yellow", markup=False, highlight=False)
    with LiveProgress(watch, quiet=quiet) as live:
        progress = Progress(live.on_start, live.on_step, live.on_episode)
        result = run(
            site,
            config,
            folder,
            progress,
            width=options.batch_size,
            env_workers=options.env_workers,
            engine=options.engine,
            budget=budget,
        )
    if result.interrupted:
        watch.print("stopped. Run the same command again to go on.", style="yellow")
    elif budget.spent and not result.complete:
        watch.print(
            f"stopped: the budget is spent ({budget}). Finished episodes are kept; run the command "
            "again with a larger --max-tokens-total or --max-cost to go on.",
            style="yellow",
        )
    return result


def _notices(card: AgentCard, config: RunConfig, options: RunOptions) -> Iterator[str]:
    if options.env_workers and card.reads_environment:
        yield "This agent reads its environments, which therefore stay in its own process."
    if config.repeats > 1 and options.temperature == 0 and card.is_model:
        yield "At --temperature 0 repeats are copies of each other: they add no evidence."
    for plan in config.panels:
        if options.episodes and options.episodes > plan.size:
            yield f"{plan.name} has {plan.size} tasks, fewer than --episodes {options.episodes}."


def resolve_modes(name: str) -> tuple[str, ...]:
    """The driving modes that `--mode` names, `a,b,c` or `both`; raises `UnknownNameError`.

    Each mode is compared with those before it, and all with `prompt`, which therefore comes first.
    """
    named = PAIR if name == BOTH else tuple(dict.fromkeys(name.split(",")))
    for one in named:
        if one not in modes():
            raise UnknownNameError("mode", one, [*modes(), BOTH])
    return tuple(sorted(named, key=lambda mode: mode != PROMPT))


def check_usable(plans: Sequence[PanelPlan]) -> None:
    """Raise `CoTGapError` if a suite or a planned task cannot be played now."""
    for plan in plans:
        panel = get_panel(plan.name)
        suite = get_suite(panel.suite)
        now = suite.availability()
        if not now.usable:
            raise SuiteUnavailableError(suite.name, now.reason, now.fix)
        suite.check(panel, plan.tasks)


def default_folder(options: RunOptions, config: RunConfig) -> Path:
    """`runs/AGENT-MODE-DIGEST`: the same command finds its own run again."""
    label = re.sub(r"[^\w.-]+", "-", Path(options.agent).name).strip("-.") or "agent"
    folder = Path("runs") / f"{label}-{options.mode}-{config.digest[:8]}"
    if folder.exists() and not folder.is_dir():
        raise CoTGapError(f"{folder} is a file. Give a folder with --out.")
    return folder

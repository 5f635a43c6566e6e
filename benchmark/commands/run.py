"""`cotgap run`: resolve the options, play, print the tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast, get_args

from rich.console import Console

from cotgap.agents.agent import AgentCard
from cotgap.agents.core import Sampling
from cotgap.agents.modes import parse_modes
from cotgap.agents.options import AgentOptions
from cotgap.benchmark.commands.folders import default_folder, label
from cotgap.benchmark.options import EXIT_INCOMPLETE, BudgetOptions, EngineOptions, RunOptions
from cotgap.benchmark.records.config import Limits, RunConfig, Shadow
from cotgap.benchmark.report.progress import LiveProgress
from cotgap.benchmark.report.terminal import print_result
from cotgap.benchmark.rollout.budget import Budget, parse_prices
from cotgap.benchmark.rollout.engines import open_site
from cotgap.benchmark.rollout.engines.core import AgentRecipe, Placement, Site
from cotgap.benchmark.rollout.planning import plan_panels
from cotgap.benchmark.rollout.runner import Progress, RunResult, run
from cotgap.envs.core import UnknownNameError
from cotgap.envs.text import to_json


def execute(options: RunOptions) -> int:
    """Run; the exit code says whether every planned episode has a score."""
    drivers = parse_modes(options.mode)
    # Everything cheap is checked before a model is loaded.
    plans = plan_panels(options.tasks.names, options.tasks.episodes, options.tasks.max_steps)
    if options.shadow not in get_args(Shadow):
        raise UnknownNameError("shadow policy", options.shadow, get_args(Shadow))
    budget = make_budget(options.budget)
    site = open_site(options.engine.engine, recipe(options.agent), placement(options.engine))
    try:
        config = RunConfig(
            agent=site.card.description,
            protocol=str(site.card.protocol),
            modes=drivers,
            shadow=cast(Shadow, options.shadow),
            panels=plans,
            repeats=options.repeats,
            sampling=Sampling(options.sampling.temperature, options.sampling.top_p),
            limits=Limits(
                options.limits.action_tokens, options.limits.thought_tokens, options.engine.timeout
            ),
            seed=options.seed,
        )
        stem = f"{label(options.agent.agent)}-{options.mode}"
        folder = options.out or default_folder(stem, config.digest)
        result = _play(site, config, folder, options, budget)
    finally:
        site.close()
    if options.output.as_json:
        print(to_json(result.to_json(), indent=2))
    else:
        print_result(result, Console())
    return 0 if result.complete else EXIT_INCOMPLETE


def recipe(options: AgentOptions) -> AgentRecipe:
    """The agent that the options name."""
    return AgentRecipe(options.agent, options.keywords())


def placement(options: EngineOptions) -> Placement:
    """Where the options want it."""
    return Placement(options.ray_address, options.workers, options.gpus_per_worker)


def make_budget(options: BudgetOptions) -> Budget:
    """What may be spent; raises `CoTGapError` for a bad price."""
    price = None if options.price is None else parse_prices(options.price)
    return Budget(options.max_tokens_total, options.max_cost, price)


def _play(
    site: Site, config: RunConfig, folder: Path, options: RunOptions, budget: Budget
) -> RunResult:
    watch, quiet = Console(stderr=True), options.output.quiet
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
            width=options.agent.loading.batch_size,
            env_workers=options.engine.env_workers,
            engine=options.engine.engine,
            budget=budget,
        )
    if result.interrupted:
        watch.print("stopped. Run the same command again to go on.", style="yellow")
    elif budget.spent and not result.complete:
        watch.print(spent(budget), style="yellow")
    return result


def spent(budget: Budget) -> str:
    """What is said where the budget ended a command."""
    return (
        f"stopped: the budget is spent ({budget}). Finished episodes are kept; run the command "
        "again with a larger --max-tokens-total or --max-cost to go on."
    )


def _notices(card: AgentCard, config: RunConfig, options: RunOptions) -> Iterator[str]:
    if options.engine.env_workers and card.reads_environment:
        yield "This agent reads its environments, which therefore stay in its own process."
    if config.repeats > 1 and options.sampling.temperature == 0 and card.is_model:
        yield "At --temperature 0 repeats are copies of each other: they add no evidence."
    for plan in config.panels:
        if (wanted := options.tasks.episodes) and wanted > plan.size:
            yield f"{plan.name} has {plan.size} tasks, fewer than --episodes {wanted}."

"""`benchmark run`: resolve the options, play, print the tables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from rich.console import Console

from agents.agent import Agent
from agents.core import Sampling
from agents.modes import get_mode, modes
from agents.specs import make_agent
from benchmark.budget import Budget, parse_prices
from benchmark.config import Limits, PanelPlan, RunConfig, Shadow, plan_panel
from benchmark.metrics.core import COT, PROMPT
from benchmark.progress import LiveProgress
from benchmark.runner import Progress, RunResult, run
from benchmark.tables import print_result
from envs.core import CoTGapError, SuiteUnavailableError, UnknownNameError
from envs.registry import get_panel, get_suite

BOTH = "both"


@dataclass(frozen=True)
class RunOptions:
    """The options of the command line, as given; see `python -m benchmark run --help`."""

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
    tokenizer: Path | None
    concurrency: int | None
    max_tokens_total: int | None
    max_cost: float | None
    price: str | None


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
    agent = make_agent(
        options.agent,
        protocol=options.protocol,
        dtype=options.dtype,
        device=options.device,
        batch_size=options.batch_size,
        threads=options.threads,
        cache_memory=options.cache_memory,
        tokenizer=options.tokenizer,
        concurrency=options.concurrency,
    )
    try:
        config = RunConfig(
            agent=agent.describe(),
            protocol=str(agent.protocol),
            modes=drivers,
            shadow=cast(Shadow, options.shadow),
            panels=plans,
            repeats=options.repeats,
            sampling=Sampling(options.temperature, options.top_p),
            limits=Limits(options.action_tokens, options.thought_tokens, options.timeout),
            seed=options.seed,
        )
        folder = options.out or default_folder(options, config)
        result = _play(agent, config, folder, options, budget, watch, quiet=quiet)
    finally:
        agent.close()
    if as_json:
        print(json.dumps(result.to_json(), indent=2, ensure_ascii=False))
    else:
        print_result(result, Console())
    return result.complete


def _play(
    agent: Agent,
    config: RunConfig,
    folder: Path,
    options: RunOptions,
    budget: Budget,
    watch: Console,
    *,
    quiet: bool,
) -> RunResult:
    if not quiet:
        watch.print(f"agent {agent.name} → {folder}", style="bold", markup=False, highlight=False)
        for notice in (agent.notice, *_notices(agent, config, options)):
            if notice:
                watch.print(notice, style="yellow", markup=False, highlight=False)
    with LiveProgress(watch, quiet=quiet) as live:
        progress = Progress(live.on_start, live.on_step, live.on_episode)
        result = run(agent, config, folder, progress, width=options.batch_size, budget=budget)
    if result.interrupted:
        watch.print("stopped. Run the same command again to go on.", style="yellow")
    elif budget.spent and not result.complete:
        watch.print(
            f"stopped: the budget is spent ({budget}). Finished episodes are kept; run the command "
            "again with a larger --max-tokens-total or --max-cost to go on.",
            style="yellow",
        )
    return result


def _notices(agent: Agent, config: RunConfig, options: RunOptions) -> Iterator[str]:
    if config.repeats > 1 and options.temperature == 0 and agent.backend.renderer is not None:
        yield "At --temperature 0 repeats are copies of each other: they add no evidence."
    for plan in config.panels:
        if options.episodes and options.episodes > plan.size:
            yield f"{plan.name} has {plan.size} tasks, fewer than --episodes {options.episodes}."


def resolve_modes(name: str) -> tuple[str, ...]:
    """The driving modes that `--mode` names; raises `UnknownNameError`."""
    if name == BOTH:
        return (PROMPT, COT)
    if name not in modes():
        raise UnknownNameError("mode", name, [*modes(), BOTH])
    return (get_mode(name).name,)


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

"""Decode randomly drawn steps of a submission again, with its checkpoint at hand.

Replaying shows that the recorded texts lead to the recorded scores; only this shows that the
checkpoint gives such texts.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from cotgap.agents.agent import Agent
from cotgap.agents.core import Decision, Request, reads_environment
from cotgap.agents.protocol import PromptProtocol
from cotgap.agents.specs import make_agent
from cotgap.benchmark.records.config import RunConfig
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.rollout.episode import Decoding, Job, open_dialogue, request_at
from cotgap.benchmark.rollout.runner import plan
from cotgap.benchmark.rollout.shots import shot_source
from cotgap.benchmark.rollout.turns import start, turn
from cotgap.benchmark.rollout.workers import Bench, Environments
from cotgap.benchmark.stats.intervals import wilson
from cotgap.envs.core import CoTGapError
from cotgap.leaderboards.findings import Finding
from cotgap.leaderboards.schema import INEXACT, Submission

# Backends that answer the same whatever else they are asked, but for rounding.
EXACT = ("scripted", "transformers")


@dataclass(frozen=True)
class Drawn:
    """A step to be decoded again: of which run and episode, at which state, in which mode."""

    run: int
    job: Job
    episode: Episode
    step: int
    mode: str

    @property
    def said(self) -> Decision:
        """What the record holds."""
        found = self.episode.steps[self.step].decision_of(self.mode)
        assert found is not None
        return found

    @property
    def where(self) -> str:
        """For a finding."""
        shadow = "" if self.mode == self.job.mode else f" shadow {self.mode}"
        return f"{self.job.task_key} {self.job.mode}, step {self.step}{shadow}"


@dataclass(frozen=True)
class Redecoded:
    """What came of it: `agreed` of `n` replies are the same, in a 95 % Wilson interval.

    The same are the raw text, the counts of tokens and how it ended. `exact`: this agent must agree
    everywhere. `differences` holds every reply that does not. `seed` drew the steps.
    """

    seed: int
    n: int
    agreed: int
    low: float
    high: float
    exact: bool
    differences: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether this is the checkpoint's, by the rule that `exact` decides."""
        return not self.differences if self.exact else self.low >= INEXACT

    @property
    def rule(self) -> str:
        """The rule in a line."""
        if self.exact:
            return "all must agree: scripted, or a local model in float32"
        return f"the interval must lie above {INEXACT:.0%}: rounding depends on batches here"


def redecode(
    submission: Submission,
    spec: str,
    n: int,
    seed: int,
    *,
    options: Mapping[str, Any] | None = None,
    on_step: Callable[[], None] = lambda: None,
) -> Redecoded:
    """Decode `n` steps again (all, where there are fewer), drawn by `seed` over runs and modes.

    `spec` and `options` are those of `make_agent`. The submission must have been verified.
    Raises `CoTGapError` where the agent is another one than the submission's.
    """
    if n < 1:
        raise CoTGapError(f"--redecode {n}: give a number of steps, at least 1")
    drawn = draw(submission, n, seed)
    if not drawn:
        raise CoTGapError("there is nothing to decode again: no episode has a step")
    config = submission.runs[0].config
    agent = _agent(spec, config, dict(options or {}))
    with closing(agent):
        check_same(agent, config)
        pairs = [
            pair
            for number in sorted({each.run for each in drawn})
            for pair in _decoded(
                agent,
                submission.runs[number].config,
                [each for each in drawn if each.run == number],
                on_step,
            )
        ]
        return _compared(pairs, seed, exact=is_exact(agent))


def draw(submission: Submission, n: int, seed: int) -> list[Drawn]:
    """`n` different steps (all, where there are fewer), each as likely, in order."""
    every: list[Drawn] = []
    for number, run in enumerate(submission.runs):
        records = {episode.id: episode for episode in run.episodes}
        for job in plan(run.config):
            for step in range(len(records[job.id].steps)):
                modes = (job.mode, *job.shadows)
                every += [Drawn(number, job, records[job.id], step, mode) for mode in modes]
    chosen = random.Random(seed).sample(range(len(every)), min(n, len(every)))
    return [every[place] for place in sorted(chosen)]


def is_exact(agent: Agent) -> bool:
    """Whether the same prompt gives the same reply for certain, whatever else is decoded.

    In float32 a near-tie that rounding could flip is a matter of 1 in 10^6 tokens.
    """
    known = agent.backend.name in EXACT
    return known and agent.describe().get("dtype", "float32") == "float32"


def _agent(spec: str, config: RunConfig, options: dict[str, Any]) -> Agent:
    dtype = config.agent.get("dtype")
    if config.agent["backend"] == "transformers" and options.get("dtype") is None:
        options["dtype"] = dtype
    return make_agent(spec, protocol=config.protocol, **options)


def check_same(agent: Agent, config: RunConfig) -> None:
    """Raise `CoTGapError` where an agent at hand is not the one of the configuration."""
    here = agent.describe()
    for name in ("fingerprint", "backend", "dtype", "tags"):
        said = config.agent.get(name)
        if here.get(name) != said:
            raise CoTGapError(
                f"--agent {agent.spec} is another agent: its {name} is {here.get(name)!r}, that of "
                f"the submission is {said!r}"
            )


def _decoded(
    agent: Agent, config: RunConfig, drawn: Sequence[Drawn], on_step: Callable[[], None]
) -> Iterator[tuple[Drawn, Decision]]:
    """Each drawn step of a run with what the agent decides there now."""
    agent = replace(agent, protocol=PromptProtocol.parse(config.protocol))
    alone = reads_environment(agent.backend)
    waiting: list[tuple[Drawn, Request]] = []
    for each, request in _requests(agent, config, drawn):
        waiting.append((each, request))
        # One that reads the environment must be asked before that goes on.
        if alone or len(waiting) == agent.backend.batch_size:
            yield from _answers(agent, waiting, on_step)
            waiting.clear()
    yield from _answers(agent, waiting, on_step)


def _answers(
    agent: Agent, asked: Sequence[tuple[Drawn, Request]], on_step: Callable[[], None]
) -> Iterator[tuple[Drawn, Decision]]:
    if asked:
        decisions = agent.decide([request for _, request in asked])
        for (each, _), decision in zip(asked, decisions, strict=True):
            on_step()
            yield each, decision


def _requests(
    agent: Agent, config: RunConfig, drawn: Sequence[Drawn]
) -> Iterator[tuple[Drawn, Request]]:
    """What a run asked at the drawn steps; its environment is at that step when it is yielded."""
    shots = shot_source(agent.protocol, config.seed)
    limits = {panel.name: panel.step_limit for panel in config.panels}
    decoding = Decoding(config.sampling, config.limits, config.seed)
    wanted: dict[tuple[str, str, int], list[Drawn]] = {}
    for each in drawn:
        wanted.setdefault(each.job.id, []).append(each)
    with closing(Bench(Environments(limits, agent.protocol.admissible))) as bench:
        for group in wanted.values():
            job, episode = group[0].job, group[0].episode
            env = bench.env(job.task_key)
            opening = start(job.task_key, env)
            dialogue = open_dialogue(agent, opening, shots(job.task_key), config.limits)
            state = opening.state
            for number in range(max(each.step for each in group) + 1):
                dialogue.observe(state.observation, state.admissible)
                for each in group:
                    if each.step == number:
                        yield each, request_at(dialogue, job, decoding, number, each.mode, env)
                said = episode.steps[number].decision
                dialogue.act(said.action, said.thought)
                state = turn([(said.mode, said.action)], env).state


def _counted(decision: Decision) -> tuple[int, int, str]:
    """Tokens read and written, and how it ended: what no replay can know."""
    usage = decision.usage
    return usage.prompt_tokens, usage.completion_tokens, decision.finish_reason


def _compared(pairs: Sequence[tuple[Drawn, Decision]], seed: int, *, exact: bool) -> Redecoded:
    differences: list[Finding] = []
    for each, now in pairs:
        said = each.said
        if said.raw != now.raw:
            differences.append(Finding.of("redecoded", each.where, said.raw, now.raw))
        elif _counted(said) != _counted(now):
            differences.append(Finding.of("tokens", each.where, _counted(said), _counted(now)))
    n, agreed = len(pairs), len(pairs) - len(differences)
    return Redecoded(seed, n, agreed, *wilson(agreed / n, n), exact, tuple(differences))

"""Decode randomly drawn steps of a submission again, with its checkpoint at hand.

Replaying shows that the recorded texts lead to the recorded scores; only this shows that the
checkpoint gives such texts.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from cotgap.agents.agent import Agent
from cotgap.agents.core import Decision
from cotgap.agents.protocol import PromptProtocol
from cotgap.agents.specs import make_agent
from cotgap.benchmark.records.config import RunConfig
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.rollout.episode import Decoding, Job, open_dialogue, request_at
from cotgap.benchmark.rollout.needs import Do, Failure, Play, Think
from cotgap.benchmark.rollout.runner import plan
from cotgap.benchmark.rollout.scheduler import Scheduler
from cotgap.benchmark.rollout.shots import shot_source
from cotgap.benchmark.rollout.turns import Start, start, turn
from cotgap.benchmark.rollout.workers import Environments
from cotgap.benchmark.stats.intervals import wilson
from cotgap.envs.core import CoTGapError, TaskKey
from cotgap.leaderboards.findings import Finding
from cotgap.leaderboards.submission import INEXACT, Submission

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
) -> list[tuple[Drawn, Decision]]:
    """Each drawn step of a run with what the agent decides there now, in order."""
    agent = replace(agent, protocol=PromptProtocol.parse(config.protocol))
    limits = {panel.name: panel.step_limit for panel in config.panels}
    groups: dict[tuple[str, str, int], list[Drawn]] = {}
    for each in drawn:
        groups.setdefault(each.job.id, []).append(each)
    scheduler: Scheduler[list[tuple[Drawn, Decision]]] = Scheduler(
        agent, Environments(limits, agent.protocol.admissible), width=agent.backend.batch_size
    )
    found: dict[tuple[object, ...], Decision] = {}
    for pairs in scheduler.run(_Again(agent, config, group) for group in groups.values()):
        for each, now in pairs:
            found[each.job.id, each.step, each.mode] = now
            on_step()
    return [(each, found[each.job.id, each.step, each.mode]) for each in drawn]


class _Again:
    """A recorded episode up to its last drawn step; the agent is asked at the drawn ones."""

    def __init__(self, agent: Agent, config: RunConfig, drawn: Sequence[Drawn]) -> None:
        self._agent, self._config, self._drawn = agent, config, drawn
        self._job, self._episode = drawn[0].job, drawn[0].episode

    @property
    def key(self) -> TaskKey:
        """The episode's task."""
        return self._job.task_key

    def play(self) -> Play:
        """Returns each drawn step with what the agent decides there now."""
        agent, config, job = self._agent, self._config, self._job
        decoding = Decoding(config.sampling, config.limits, config.seed)
        shots = shot_source(agent.protocol, config.seed)(job.task_key)
        opening: Start = yield Do(functools.partial(start, job.task_key))
        dialogue = open_dialogue(agent, opening, shots, config.limits)
        state, found = opening.state, list[tuple[Drawn, Decision]]()
        for number in range(max(each.step for each in self._drawn) + 1):
            dialogue.observe(state.observation, state.admissible)
            here = [each for each in self._drawn if each.step == number]
            if here:
                requests = [request_at(dialogue, job, decoding, number, e.mode) for e in here]
                found += zip(here, (yield Think(requests)), strict=True)
            said = self._episode.steps[number].decision
            dialogue.act(said.action, said.thought)
            state = (yield Do(functools.partial(turn, [(said.mode, said.action)]))).state
        return found

    def failed(self, failure: Failure) -> list[tuple[Drawn, Decision]]:
        """Raises `CoTGapError`: what cannot be decoded again is no evidence."""
        raise CoTGapError(f"{self._job.task_key}: {failure.text}")


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

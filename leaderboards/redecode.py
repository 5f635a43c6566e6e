"""Decode randomly drawn steps of a submission again, with its checkpoint at hand.

Replaying shows that the recorded texts lead to the recorded scores; only this shows that the
checkpoint gives such texts.

The rule is the verifier's, whatever the file says of itself. A local checkpoint is opened in
float32 on the CPU, and every reply must be the same: raw text, counts of tokens, and how it ended.
Of a run in bfloat16 or float16 a greedy reply may part from that where two tokens are nearly as
likely: then each of its own tokens must be nearly as likely as the likeliest at its place
(`ROUNDING`), and at least half of the replies must still be the same (`EQUAL`). A server's replies
must all be the same, since nothing tells its rounding from forgery.

What is drawn: from every episode that earned something, some of the steps that could have decided
it, as many of each as a share of the draws (`DECISIVE`) allows and at least one; the other draws
are from all that is left, each decision as likely. So a failure that was turned into a success by
one step that no checkpoint decided is found with a known probability, and `Redecoded.flips` says
how many of them would have been found with 95 %.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

from cotgap.agents.agent import Agent
from cotgap.agents.core import Decision, Request, Scoring
from cotgap.agents.protocol import PromptProtocol
from cotgap.agents.specs import make_agent
from cotgap.benchmark.records.config import RunConfig
from cotgap.benchmark.records.episode import Episode, Status, StepRecord
from cotgap.benchmark.rollout.episode import Decoding, Job, open_dialogue, request_at
from cotgap.benchmark.rollout.needs import Do, Failure, Play, Think
from cotgap.benchmark.rollout.runner import plan
from cotgap.benchmark.rollout.scheduler import Scheduler
from cotgap.benchmark.rollout.shots import shot_source
from cotgap.benchmark.rollout.turns import Start, start, turn
from cotgap.benchmark.rollout.workers import Environments
from cotgap.envs.core import CoTGapError, TaskKey
from cotgap.leaderboards.findings import Finding
from cotgap.leaderboards.schema import EQUAL, Submission

LOCAL = "transformers"
# By how many nats a token may be less likely in float32 than the likeliest one, for a run to have
# preferred it in this precision. Half a nat: at least 60 % as likely.
ROUNDING: Mapping[str, float] = {"bfloat16": 0.5, "float16": 0.1}
DECISIVE = 0.75  # the share of the draws that go to what decided a success
CONFIDENCE = 0.95
SPELLING = 0.05  # a model may spell a text in other tokens than its tokenizer does


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
class Reply:
    """What the checkpoint decides `now` at a drawn step.

    `shortfall` is by how many nats the recorded reply's worst token is less likely than the
    likeliest at its place. It is None where the two are the same, where the backend cannot tell,
    and where the recorded counts of tokens are not those of the recorded text.
    """

    drawn: Drawn
    now: Decision
    shortfall: float | None = None


@dataclass(frozen=True)
class Sample:
    """The steps to be decoded again.

    `chances` holds, of every episode that earned something, the probability that a given one of the
    steps that could have decided it is among them.
    """

    drawn: tuple[Drawn, ...]
    chances: tuple[float, ...]

    @property
    def flips(self) -> int:
        """How many episodes, turned into successes by a step each, are found with 95 %.

        Whichever they are: those with the smallest chances. 0 where all of them might be missed.
        """
        missed = 1.0
        for number, chance in enumerate(sorted(self.chances), 1):
            missed *= 1 - chance
            if missed <= 1 - CONFIDENCE:
                return number
        return 0


@dataclass(frozen=True)
class Redecoded:
    """What came of it: `agreed` of `n` replies are the same.

    `tolerance` is what a token of the others may lack of the likeliest one, in nats (None: no
    other reply is accepted). `differences` holds every reply that is not accepted. `seed` drew the
    steps, of which `flips` says what they could find (see `Sample`) among `earned` episodes that
    earned something.
    """

    seed: int
    n: int
    agreed: int
    flips: int
    earned: int
    tolerance: float | None
    differences: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether these replies are the checkpoint's."""
        return not self.differences and self.agreed >= EQUAL * self.n

    @property
    def rule(self) -> str:
        """The rule in a line."""
        if self.tolerance is None:
            return "all must agree"
        return (
            f"half must agree, and no token of the others be less likely than the likeliest by "
            f"more than {self.tolerance:g} nats in float32"
        )

    @property
    def power(self) -> str:
        """In a line, what these draws would have found."""
        if not self.earned:
            return "no episode earned anything that could be forged"
        if not self.flips:
            return (
                f"with 95 % it would not even have found {self.earned} failures turned into "
                "successes by a step each: draw more steps"
            )
        flips = "1 failure" if self.flips == 1 else f"{self.flips} failures"
        return f"with 95 % it would have found {flips} turned into successes by a step each"


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

    They are more than `n` where more episodes than that earned something. `spec` and `options` are
    those of `make_agent`. The submission must have been verified. Raises `CoTGapError` where the
    agent is another one than the submission's.
    """
    if n < 1:
        raise CoTGapError(f"--redecode {n}: give a number of steps, at least 1")
    sample = draw(submission, n, seed)
    if not sample.drawn:
        raise CoTGapError("there is nothing to decode again: no episode has a step")
    config = submission.runs[0].config
    agent = _agent(spec, config, dict(options or {}))
    with closing(agent):
        check_same(agent, config)
        replies = [
            reply
            for number in sorted({each.run for each in sample.drawn})
            for reply in _decoded(
                agent,
                submission.runs[number].config,
                [each for each in sample.drawn if each.run == number],
                on_step,
            )
        ]
    return judged(replies, sample, seed, tolerance_of(config))


def draw(submission: Submission, n: int, seed: int) -> Sample:
    """At least `n` different steps (all, where there are fewer), in order; see the module."""
    dice = random.Random(seed)
    every: list[Drawn] = []
    decisive: list[list[int]] = []  # for each episode that earned something, places in `every`
    for number, run in enumerate(submission.runs):
        records = {episode.id: episode for episode in run.episodes}
        for job in plan(run.config):
            episode, modes = records[job.id], (job.mode, *job.shadows)
            places = [len(every) + step * len(modes) for step in _deciding(episode)]
            if places:
                decisive.append(places)
            steps = range(len(episode.steps))
            every += [Drawn(number, job, episode, step, mode) for step in steps for mode in modes]
    share = _share(list(map(len, decisive)), int(DECISIVE * n))
    taken = {place for own in decisive for place in dice.sample(own, min(share, len(own)))}
    rest = [place for place in range(len(every)) if place not in taken]
    more = max(n - len(taken), ceil((1 - DECISIVE) * n))
    taken.update(dice.sample(rest, min(more, len(rest))))
    chances = tuple(min(share, len(own)) / len(own) for own in decisive)
    return Sample(tuple(every[place] for place in sorted(taken)), chances)


def _deciding(episode: Episode) -> list[int]:
    """The driver's steps of which one must be forged to turn a failure into this episode.

    Those that bring the goal nearer or pay, where the costs to go are known; else all. None of an
    episode that earned nothing.
    """
    if not (episode.status is Status.SUCCESS or (episode.score or 0) > 0):
        return []
    steps = range(len(episode.steps))
    if not any(step.cost_to_go for step in episode.steps):
        return list(steps)
    return [number for number in steps if _nearer(episode.steps[number])] or list(steps)


def _nearer(step: StepRecord) -> bool:
    costs, mode = step.cost_to_go, step.decision.mode
    before, after = costs.get("state"), costs.get(mode)
    return step.reward > 0 or (before is not None and after is not None and after < before)


def _share(sizes: Sequence[int], most: int) -> int:
    """The largest number of steps, at least 1, that each episode can give of at most `most`."""
    share = 1
    while share < max(sizes, default=0) and sum(min(share + 1, s) for s in sizes) <= most:
        share += 1
    return share


def tolerance_of(config: RunConfig) -> float | None:
    """By how many nats a run's tokens may miss the likeliest; None: its replies must be equal.

    In float32 a near-tie that rounding could flip is a matter of 1 in 10^6 tokens. What was drawn
    at a temperature need not be likely at all, so that likelihoods would accept anything.
    """
    if config.agent["backend"] != LOCAL or config.sampling.temperature:
        return None
    return ROUNDING.get(str(config.agent.get("dtype")))


def _agent(spec: str, config: RunConfig, options: dict[str, Any]) -> Agent:
    if config.agent["backend"] == LOCAL:
        for name, own in (("dtype", "float32"), ("device", "cpu")):
            if options.get(name) not in (None, own):
                raise CoTGapError(
                    f"--{name} {options[name]}: steps are decoded again in float32 on the CPU, "
                    f"whatever they were decoded in before; leave --{name} out"
                )
            options[name] = own
    return make_agent(spec, protocol=config.protocol, **options)


def check_same(agent: Agent, config: RunConfig) -> None:
    """Raise `CoTGapError` where an agent at hand is not the one of the configuration.

    In another precision it still is.
    """
    here = agent.describe()
    for name in ("fingerprint", "backend", "tags"):
        said = config.agent.get(name)
        if here.get(name) != said:
            raise CoTGapError(
                f"--agent {agent.spec} is another agent: its {name} is {here.get(name)!r}, that of "
                f"the submission is {said!r}"
            )


def _decoded(
    agent: Agent, config: RunConfig, drawn: Sequence[Drawn], on_step: Callable[[], None]
) -> list[Reply]:
    """What the agent decides now at each drawn step of a run, in order."""
    agent = replace(agent, protocol=PromptProtocol.parse(config.protocol))
    limits = {panel.name: panel.step_limit for panel in config.panels}
    groups: dict[tuple[str, str, int], list[Drawn]] = {}
    for each in drawn:
        groups.setdefault(each.job.id, []).append(each)
    scheduler: Scheduler[list[Reply]] = Scheduler(
        agent, Environments(limits, agent.protocol.admissible), width=agent.backend.batch_size
    )
    found: dict[tuple[object, ...], Reply] = {}
    for replies in scheduler.run(_Again(agent, config, group) for group in groups.values()):
        for reply in replies:
            found[reply.drawn.job.id, reply.drawn.step, reply.drawn.mode] = reply
            on_step()
    return [found[each.job.id, each.step, each.mode] for each in drawn]


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
        state, found = opening.state, list[Reply]()
        for number in range(max(each.step for each in self._drawn) + 1):
            dialogue.observe(state.observation, state.admissible)
            here = [each for each in self._drawn if each.step == number]
            if here:
                requests = [request_at(dialogue, job, decoding, number, e.mode) for e in here]
                decisions = yield Think(requests)
                for each, request, now in zip(here, requests, decisions, strict=True):
                    found.append(Reply(each, now, _shortfall(agent, request, each.said, now)))
            said = self._episode.steps[number].decision
            dialogue.act(said.action, said.thought)
            state = (yield Do(functools.partial(turn, [(said.mode, said.action)]))).state
        return found

    def failed(self, failure: Failure) -> list[Reply]:
        """Raises `CoTGapError`: what cannot be decoded again is no evidence."""
        raise CoTGapError(f"{self._job.task_key}: {failure.text}")


def _shortfall(agent: Agent, request: Request, said: Decision, now: Decision) -> float | None:
    """See `Reply`."""
    if said.raw == now.raw or not isinstance(agent.backend, Scoring):
        return None
    text = said.raw.removeprefix(request.prefill)
    score = agent.backend.score(request, text, ended=said.finish_reason == "eos")
    read, written = said.usage.prompt_tokens, said.usage.completion_tokens
    counted = abs(written - score.tokens) <= max(1, SPELLING * score.tokens)
    return score.shortfall if counted and read == now.usage.prompt_tokens else None


def _counted(decision: Decision) -> tuple[int, int, str]:
    """Tokens read and written, and how it ended: what no replay can know."""
    usage = decision.usage
    return usage.prompt_tokens, usage.completion_tokens, decision.finish_reason


def judged(
    replies: Sequence[Reply], sample: Sample, seed: int, tolerance: float | None
) -> Redecoded:
    """The outcome of replies that were decoded again."""
    differences: list[Finding] = []
    near = 0
    for reply in replies:
        where, said, now = reply.drawn.where, reply.drawn.said, reply.now
        if said.raw != now.raw:
            lack = reply.shortfall
            if tolerance is not None and lack is not None and lack <= tolerance:
                near += 1
            else:
                differences.append(Finding.of("redecoded", where, said.raw, now.raw))
        elif _counted(said) != _counted(now):
            differences.append(Finding.of("tokens", where, _counted(said), _counted(now)))
    return Redecoded(
        seed=seed,
        n=len(replies),
        agreed=len(replies) - near - len(differences),
        flips=sample.flips,
        earned=len(sample.chances),
        tolerance=tolerance,
        differences=tuple(differences),
    )

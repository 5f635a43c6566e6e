"""Play recorded episodes again: parse every raw reply, take every action, compare every field.

What is taken is what the raw text says, by the very functions that a run plays with
(`cotgap.benchmark.rollout.turns`); nothing of a record is used but its raw texts.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from math import ceil

from cotgap.agents.core import NO_USAGE, Decision, Tags, Usage
from cotgap.agents.modes import get_mode
from cotgap.agents.protocol import PromptProtocol
from cotgap.agents.text import cut_at_stop
from cotgap.benchmark.records.config import RunConfig
from cotgap.benchmark.records.episode import Episode, Status, StepRecord
from cotgap.benchmark.rollout.episode import Job, budget
from cotgap.benchmark.rollout.turns import State, Turn, start, turn
from cotgap.benchmark.rollout.workers import Bench, Environments, HostError
from cotgap.envs.core import CoTGapError, TaskUnavailableError, TextEnv
from cotgap.leaderboards.findings import Finding, Kind

CHUNK = 8  # episodes that a process is given at a time
ALONE = 24  # fewer episodes than these are replayed sooner than a process starts
COUNTING = "transformers"  # the backend that counts every token that it writes, an end included
LONGEST = 128  # characters of a token, generously


@dataclass(frozen=True)
class Rules:
    """What a run's replies are parsed with and bounded by."""

    config: RunConfig
    tags: Tags
    protocol: PromptProtocol

    @classmethod
    def of(cls, config: RunConfig) -> Rules:
        """Raises `CoTGapError` for a protocol or mode that there is not."""
        for mode in config.modes:
            get_mode(mode)
        return cls(config, Tags(**config.agent["tags"]), PromptProtocol.parse(config.protocol))


@dataclass(frozen=True)
class Piece:
    """Episodes of a run to be replayed together, each with what was planned."""

    rules: Rules
    pairs: tuple[tuple[Job, Episode], ...]
    where: str
    """What findings say of the run: empty, or `run 2: `."""


@dataclass(frozen=True)
class Replayed:
    """What came of a piece.

    `unavailable`: panel → why tasks of it cannot be started here, and how many episodes that are.
    """

    findings: tuple[Finding, ...]
    episodes: int
    steps: int
    unavailable: Mapping[str, tuple[str, int]]


def replay_all(pieces: Sequence[Piece], workers: int) -> Iterator[Replayed]:
    """Replay in order, in `workers` processes, or in this one where there is little to do.

    Raises `CoTGapError` where a process dies.
    """
    if workers <= 1 or sum(len(piece.pairs) for piece in pieces) < ALONE:
        yield from map(replay, pieces)
        return
    # Started afresh: a model's threads in this process would not survive a fork.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        min(workers, len(pieces)),
        mp_context=context,
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_IGN),  # Ctrl-C is for this process
    )
    try:
        yield from pool.map(replay, pieces)
    except BrokenProcessPool as error:
        raise CoTGapError(
            "a process that replays episodes died. Try it with --workers 1, which shows why"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def in_pieces(rules: Rules, pairs: Sequence[tuple[Job, Episode]], where: str) -> list[Piece]:
    """Neighbours stay together: they are of one panel, mostly of one task."""
    return [
        Piece(rules, tuple(pairs[begin : begin + CHUNK]), where)
        for begin in range(0, len(pairs), CHUNK)
    ]


def replay(piece: Piece) -> Replayed:
    """Replay a piece in this process."""
    limits = {plan.name: plan.step_limit for plan in piece.rules.config.panels}
    bench = Bench(Environments(limits, list_actions=False))
    findings: list[Finding] = []
    unavailable: dict[str, tuple[str, int]] = {}
    episodes = steps = 0
    try:
        for job, episode in piece.pairs:
            check = _Check(piece.rules, job, episode, piece.where)
            try:
                bench.answer(job.task_key, check.run)
                episodes, steps = episodes + 1, steps + len(episode.steps)
                findings += check.findings
            except TaskUnavailableError as error:
                reason, count = unavailable.get(job.task_key.panel, (str(error), 0))
                unavailable[job.task_key.panel] = reason, count + 1
            except (HostError, CoTGapError) as error:
                findings += check.findings
                findings.append(
                    Finding.of("environment", check.where, "played", str(error).partition("\n")[0])
                )
    finally:
        bench.close()
    return Replayed(tuple(findings), episodes, steps, unavailable)


class _Check:
    """One episode's comparison; `run` is a question to its environment."""

    def __init__(self, rules: Rules, job: Job, episode: Episode, where: str) -> None:
        self._rules, self._job, self._episode = rules, job, episode
        self.where = f"{where}{job.task_key} {job.mode}" + (
            f" repeat {job.repeat}" if rules.config.repeats > 1 else ""
        )
        self.findings: list[Finding] = []

    def run(self, env: TextEnv) -> None:
        """Compare everything that the record says of the episode."""
        episode = self._episode
        self._facts()
        opening = start(self._job.task_key, env)
        state = opening.state
        status = Status.SUCCESS if state.won else None
        parted = False
        for index, step in enumerate(episode.steps):
            if status is not None:
                self._differs("steps", len(episode.steps), f"over after {index}")
                break
            where = f"step {index}"
            # What follows a first difference differs as well, and says nothing more.
            if not parted and step.observation != state.observation:
                self._differs("observation", step.observation, state.observation, where)
                parted = True
            done = turn(self._decisions(step, index, where), env)
            self._outcome(step, done, where, parted=parted)
            state = done.state
            if done.terminated:
                status = Status.SUCCESS if state.won else Status.FAILURE
            elif done.truncated:
                status = Status.TRUNCATED
        self._ending(state, status, parted=parted)

    def _facts(self) -> None:
        """What every episode of the run has in common, and its sums."""
        episode, job, config = self._episode, self._job, self._rules.config
        self._equal("lock", episode.lock, job.lock)
        self._equal("fingerprint", episode.fingerprint, config.agent["fingerprint"])
        self._equal("protocol", episode.protocol, config.protocol)
        self._equal("task_kind", episode.task_kind, job.kind)
        self._equal(
            "usage", episode.usage, sum((s.decision.usage for s in episode.steps), NO_USAGE)
        )

    def _decisions(self, step: StepRecord, index: int, where: str) -> list[tuple[str, str | None]]:
        """The (mode, action) pairs of a state by their raw texts, compared with what was said."""
        job = self._job
        self._equal("mode", step.decision.mode, job.mode, where)
        if set(step.shadows) != set(job.shadows):
            self._differs("shadows", sorted(step.shadows), sorted(job.shadows), where)
        pairs = [(job.mode, self._parsed(job.mode, step.decision, index, where))]
        for mode in job.shadows:
            if (shadow := step.shadows.get(mode)) is not None:
                there = f"{where} shadow {mode}"
                self._equal("mode", shadow.mode, mode, there)
                pairs.append((mode, self._parsed(mode, shadow, index, there)))
        return pairs

    def _parsed(self, mode: str, said: Decision, index: int, where: str) -> str | None:
        """A decision's action by its raw text."""
        decoding, rules = get_mode(mode), self._rules
        prefill = "" if rules.protocol.asked else decoding.prefill(rules.tags)
        text, stopped = cut_at_stop(said.raw.removeprefix(prefill), decoding.stop(rules.tags))
        # It begins with the prefill, and nothing is decoded behind a stop.
        self._equal("raw", said.raw, prefill + text, where)
        if (said.finish_reason == "stop") != stopped:
            found = "with a stop string" if stopped else "without one"
            self._differs("finish_reason", said.finish_reason, f"it ends {found}", where)
        action, thought, error = decoding.parse(said.raw, rules.tags)
        self._equal("action", said.action, action, where)
        self._equal("thought", said.thought, thought, where)
        self._equal("parse_error", said.parse_error, error, where)
        self._bounded(said.usage, budget(mode, rules.config.limits), index, where)
        if rules.config.agent["backend"] == COUNTING:
            least = ceil(len(text) / LONGEST)
            if said.usage.completion_tokens < least:
                written = f"{said.usage.completion_tokens} written"
                self._differs("usage", written, f"at least {least}", where)
        return action

    def _bounded(self, usage: Usage, most: int, index: int, where: str) -> None:
        if usage.cached_tokens > usage.prompt_tokens:
            found = f"{usage.prompt_tokens} read"
            self._differs("usage", f"{usage.cached_tokens} of them cached", found, where)
        if usage.completion_tokens > most:
            self._differs("usage", f"{usage.completion_tokens} written", f"at most {most}", where)
        if usage.dropped_steps > index:
            self._differs("usage", f"{usage.dropped_steps} dropped", f"at most {index}", where)

    def _outcome(self, step: StepRecord, done: Turn, where: str, *, parted: bool) -> None:
        if not parted:
            self._equal("reward", step.reward, done.reward, where)
            self._equal("valid", step.valid, done.valid, where)
            self._equal("cost_to_go", step.cost_to_go, done.cost_to_go, where)
        self._equal("canonical", step.canonical, done.canonical, where)

    def _ending(self, state: State, status: Status | None, *, parted: bool) -> None:
        episode = self._episode
        if status is None:
            limit = next(
                p.step_limit
                for p in self._rules.config.panels
                if p.name == self._job.task_key.panel
            )
            found = f"neither over nor at the limit of {limit}"
            self._differs("steps", len(episode.steps), found)
        else:
            self._equal("status", episode.status.value, status.value)
        self._equal("score", episode.score, state.score)
        self._equal("goal", episode.goal, state.goal)
        if not parted:
            self._equal("final_observation", episode.final_observation, state.observation)

    def _equal(self, kind: Kind, said: object, found: object, where: str = "") -> None:
        if said != found:
            self._differs(kind, said, found, where)

    def _differs(self, kind: Kind, said: object, found: object, where: str = "") -> None:
        place = f"{self.where}, {where}" if where else self.where
        self.findings.append(Finding.of(kind, place, said, found))

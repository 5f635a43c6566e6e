"""Verify a submission: its configuration against the registry, every episode by playing it again.

What it proves: the texts in the file, taken as the agent's replies, lead to exactly these actions,
observations and scores on exactly these panels, and no planned episode is missing. It cannot prove
that a model wrote the texts; see `cotgap.leaderboards.redecode`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

from cotgap.benchmark.domain import panel_facts, trained_on
from cotgap.benchmark.metrics.summary import PanelSummary, summarise
from cotgap.benchmark.records.config import PanelPlan, RunConfig
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.rollout.episode import Job
from cotgap.benchmark.rollout.runner import plan
from cotgap.benchmark.rollout.workers import processors
from cotgap.envs.core import CoTGapError, Panel
from cotgap.envs.registry import get_panel, get_suite
from cotgap.leaderboards.cards import false_card
from cotgap.leaderboards.findings import Collector, Finding, Findings, Kind, Unplayable
from cotgap.leaderboards.replay import Piece, Rules, in_pieces, replay_all
from cotgap.leaderboards.schema import Submission, SubmittedRun


def verify(
    submission: Submission,
    *,
    workers: int | None = None,
    on_start: Callable[[int], None] = lambda total: None,
    on_episodes: Callable[[int], None] = lambda count: None,
) -> Findings:
    """Check and replay everything, in `workers` processes (None: one for each processor).

    `on_start` is told how many episodes will be replayed, `on_episodes` how many more were.
    Nothing that a submission holds makes it raise; raises `CoTGapError` if a process dies.
    """
    begun = perf_counter()
    collected, unplayable, pieces = Collector(), list[Unplayable](), list[Piece]()
    card, agent = submission.entrant.card, submission.runs[0].config.agent
    collected.add(_card_findings(card or {}))
    if reason := false_card(card, str(agent["fingerprint"])):
        collected.add([Finding.of("card", str(agent["name"]), "this checkpoint's", reason)])
    for number, run in enumerate(submission.runs, 1):
        where = f"run {number}: " if len(submission.runs) > 1 else ""
        prepared = _Prepared(run, where)
        collected.add(prepared.findings)
        unplayable += prepared.unplayable
        pieces += prepared.pieces
    on_start(sum(len(piece.pairs) for piece in pieces))
    episodes = steps = 0
    lacking: dict[str, str] = {}
    unplayed: Counter[str] = Counter()
    for done in replay_all(pieces, processors() if workers is None else workers):
        collected.add(done.findings)
        episodes, steps = episodes + done.episodes, steps + done.steps
        for panel, (reason, count) in done.unavailable.items():
            lacking.setdefault(panel, reason)
            unplayed[panel] += count
        on_episodes(done.episodes)
    unplayable += [
        Unplayable(panel, unplayed[panel], reason, "") for panel, reason in lacking.items()
    ]
    return Findings(
        collected.kept,
        dict(collected.counts),
        tuple(unplayable),
        episodes,
        steps,
        perf_counter() - begun,
        # Of what is not so, numbers mean nothing, nor of what was not replayed.
        ()
        if collected.counts
        else tuple(recomputed(run, {lack.panel for lack in unplayable}) for run in submission.runs),
    )


def recomputed(
    run: SubmittedRun, left_out: Collection[str] = frozenset()
) -> tuple[PanelSummary, ...]:
    """A run's metrics from its episodes alone, but for some panels."""
    return tuple(summarise(e for e in run.episodes if e.task_key.panel not in left_out))


def _card_findings(card: Mapping[str, Any]) -> Iterator[Finding]:
    """What a card says of panels that are known here, and is not so."""
    try:
        trained = trained_on(card)
    except CoTGapError as error:
        yield Finding.of("card", "trained_on", "panels", str(error))
        return
    for facts in trained:
        try:
            known = panel_facts(facts["panel"])
        except CoTGapError:
            continue  # of another version, or somebody's own: nothing here contradicts it
        where = f"trained_on {facts['panel']}"
        for name in ("suite", "wording"):
            if facts[name] != known[name]:
                yield Finding.of("card", f"{where}, {name}", facts[name], known[name])
        if not facts["kinds"] or set(facts["kinds"]) - set(known["kinds"]):
            yield Finding.of("card", f"{where}, kinds", facts["kinds"], known["kinds"])


class _Prepared:
    """A run checked without an environment: `findings`, what to replay, what cannot be."""

    def __init__(self, run: SubmittedRun, where: str) -> None:
        self.findings: list[Finding] = []
        self.unplayable: list[Unplayable] = []
        self.pieces: list[Piece] = []
        self._run, self._where = run, where
        config = run.config
        if config.digest != run.digest:
            self._add("digest", "", run.digest, config.digest)
        try:
            rules = Rules.of(config)
        except CoTGapError as error:
            self._add("config", "", "a run's configuration", str(error))
            return
        self._check_agent(config)
        if str(rules.protocol) != config.protocol:  # one name each, or one would share no table
            self._add("config", "protocol", config.protocol, str(rules.protocol))
        known = [panel for panel in config.panels if self._known(panel)]
        jobs = plan(replace(config, panels=tuple(known)))
        pairs = self._pairs(config, jobs)
        playable = {panel.name for panel in known if self._playable(panel)}
        self.pieces = in_pieces(
            rules, [pair for pair in pairs if pair[0].task_key.panel in playable], where
        )

    def _check_agent(self, config: RunConfig) -> None:
        if config.agent["protocol"] != config.protocol:
            self._add("agent", "protocol", config.agent["protocol"], config.protocol)

    def _known(self, said: PanelPlan) -> bool:
        """Whether the panel is here as it was played; without that, nothing can be replayed."""
        try:
            panel = get_panel(said.name)
        except CoTGapError as error:
            self._add("panel", said.name, said.name, str(error))
            return False
        limited = panel.with_step_limit(said.step_limit)
        if limited.lock != said.lock:
            self._add("lock", said.name, said.lock, f"{limited.lock} ({_lock_of(limited)})")
            return False
        listed = tuple(task.id for task in panel.tasks)
        if said.size != len(panel):
            self._add("tasks", f"{said.name}, size", said.size, len(panel))
        if said.tasks != listed[: len(said.tasks)]:
            place = _first_other(said.tasks, listed)
            found = listed[place] if place < len(listed) else "no more tasks"
            self._add("tasks", f"{said.name}, task {place}", said.tasks[place], found)
            return False
        return True

    def _playable(self, said: PanelPlan) -> bool:
        suite = get_suite(said.name.partition("/")[0])
        now = suite.availability()
        if not now.usable:
            config = self._run.config
            count = len(said.tasks) * config.repeats * len(config.modes)
            self.unplayable.append(Unplayable(said.name, count, now.reason, now.fix))
        return now.usable

    def _pairs(self, config: RunConfig, jobs: Sequence[Job]) -> list[tuple[Job, Episode]]:
        """Each planned episode with its record; names what is missing, too many or not planned."""
        times = Counter(episode.id for episode in self._run.episodes)
        records = {episode.id: episode for episode in reversed(self._run.episodes)}
        planned = {job.id for job in jobs}
        strange = {p.name for p in config.panels} - {job.task_key.panel for job in jobs}
        for id_, count in times.items():
            if id_ not in planned and records[id_].task_key.panel not in strange:
                self._add("unplanned", _named(id_), "an episode", "not planned")
            elif count > 1:
                self._add("duplicate", _named(id_), f"{count} times", "once")
        for job in jobs:
            if job.id not in records:
                self._add("missing", _named(job.id), "planned", "not there")
        return [(job, records[job.id]) for job in jobs if job.id in records]

    def _add(self, kind: Kind, where: str, said: object, found: object) -> None:
        self.findings.append(Finding.of(kind, f"{self._where}{where}".strip(": "), said, found))


def _lock_of(panel: Panel) -> str:
    return (
        f"{panel.name} here: suite version {panel.version}, wording {panel.wording}, "
        f"{panel.step_limit} steps, {len(panel)} tasks"
    )


def _first_other(said: Sequence[str], listed: Sequence[str]) -> int:
    return next(i for i, task in enumerate(said) if i >= len(listed) or task != listed[i])


def _named(id_: tuple[str, str, int]) -> str:
    key, mode, repeat = id_
    return f"{key} {mode}" + (f" repeat {repeat}" if repeat else "")


def unplayable_panels(findings: Findings) -> Iterator[str]:
    """A line for each panel that could not be replayed here."""
    for lack in findings.unplayable:
        fix = f". To fix it: {lack.fix}" if lack.fix else ""
        yield f"{lack.panel}: {lack.episodes} episodes were not replayed ({lack.reason}){fix}"

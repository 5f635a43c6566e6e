"""The two runs of a comparison, and whether they may be compared at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cotgap.agents.backends.scripted import SCRIPTS, ScriptedBackend
from cotgap.benchmark.records.config import PanelPlan, RunConfig, differences
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.records.store import (
    EPISODES,
    RUN,
    iter_episodes,
    read_episodes,
    read_run,
    replaces,
)
from cotgap.benchmark.report.text import clip
from cotgap.envs.core import CoTGapError, UnknownNameError

# What an agent's description says of how it was run, not of what it is.
HOW_IT_RAN = ("backend", "device", "dtype", "decoding")


class NotComparableError(CoTGapError):
    """Two runs whose numbers say nothing about each other; the message says why and the fix."""


@dataclass(frozen=True)
class Side:
    """A run folder as a side of a comparison."""

    folder: Path
    config: RunConfig
    circumstances: Mapping[str, Any]
    """What rounding may depend on: how the agent ran, and the versions of its last session."""
    episodes: tuple[Episode, ...]

    @property
    def name(self) -> str:
        """The agent's name, fit to be shown."""
        return clip(str(self.config.agent.get("name", "")))

    def plan(self, panel: str) -> PanelPlan:
        """The plan of a panel of this run."""
        return next(plan for plan in self.config.panels if plan.name == panel)


@dataclass(frozen=True)
class SharedPanel:
    """What two runs have in common of a panel: tasks in order, under one lock."""

    name: str
    lock: str
    step_limit: int
    tasks: tuple[str, ...]
    size: int


@dataclass(frozen=True)
class Shared:
    """What two runs have in common; `notices` are worth a line each."""

    panels: tuple[SharedPanel, ...]
    modes: tuple[str, ...]
    notices: tuple[str, ...]


def read_side(folder: Path) -> Side:
    """Read a run folder.

    Raises `CoTGapError` where it is none or is damaged, as where an episode that had a score was
    recorded again otherwise than a run does that grows by a mode.
    """
    content = read_run(folder)
    try:
        config = RunConfig.from_json(content["config"])
        ran = {name: config.agent[name] for name in HOW_IT_RAN if name in config.agent}
        versions = content["versions"][-1] if content["versions"] else {}
        circumstances = {**ran, **versions}
    except (CoTGapError, TypeError) as error:
        raise CoTGapError(f"{folder / RUN} is malformed: {error}") from error
    scored: dict[tuple[str, str, int], Episode] = {}
    for number, episode in enumerate(iter_episodes(folder), 1):
        if episode.id in scored and not replaces(episode, scored[episode.id]):
            raise CoTGapError(
                f"{folder / EPISODES} line {number} records {episode.task_key} in mode "
                f"{episode.mode} again, which had a score: the file was changed after the run. "
                "Delete that line"
            )
        if episode.status.scored:
            scored[episode.id] = episode
    return Side(folder, config, circumstances, tuple(read_episodes(folder)))


def share(a: Side, b: Side, panels: Sequence[str] = ()) -> Shared:
    """What `a` and `b` have in common, on `panels` (all that both played, by default).

    Raises `NotComparableError` where they were played by other rules, `UnknownNameError` for a
    panel that was not played.
    """
    if a.folder.resolve() == b.folder.resolve():
        raise NotComparableError(f"{a.folder} twice: give two run folders, the baseline first")
    _check_rules(a.config, b.config)
    names = _panels(a, b, panels)
    modes = tuple(mode for mode in a.config.modes if mode in b.config.modes)
    if not modes:
        raise NotComparableError(
            f"no mode drove both runs: {', '.join(a.config.modes)} in the baseline, "
            f"{', '.join(b.config.modes)} in the candidate. Run one of them again with --mode both"
        )
    found = tuple(_shared_panel(name, a, b) for name in names)
    return Shared(found, modes, tuple(_notices(a, b, found, modes)))


def check_copies(a: Side, b: Side) -> None:
    """Raise `NotComparableError` where an episode of one run is a copy of the other's.

    What was played twice never takes the same time to the last digit.
    """
    mine = {episode.id: _times(episode) for episode in a.episodes}
    copied = [e for e in b.episodes if any(_times(e)) and mine.get(e.id) == _times(e)]
    if copied:
        raise NotComparableError(
            f"{len(copied)} of {len(b.episodes)} episodes in {b.folder} are copies of those in "
            f"{a.folder}, to the last digit of the time that they took. Play the candidate: "
            "cotgap run --agent CANDIDATE"
        )


def _times(episode: Episode) -> tuple[float, ...]:
    steps = (step.decision.usage.seconds for step in episode.steps)
    return episode.wall_seconds, episode.reset_seconds, *steps


def vouched(description: Mapping[str, Any]) -> bool:
    """Whether an equal fingerprint means an equal agent, by an agent's description.

    A server's is a name, and that of a script of one's own leaves out what its code calls.
    """
    if description.get("backend") == ScriptedBackend.name:
        return description.get("policy") in SCRIPTS
    return description.get("weights") != "not verified"


def _check_rules(a: RunConfig, b: RunConfig) -> None:
    """Raise `NotComparableError` at the first rule of play that differs."""
    rules = {
        "protocol": (a.protocol, b.protocol, f"--protocol {a.protocol}"),
        "sampling": (
            f"temperature {a.sampling.temperature:g}, top-p {a.sampling.top_p:g}",
            f"temperature {b.sampling.temperature:g}, top-p {b.sampling.top_p:g}",
            f"--temperature {a.sampling.temperature:g} --top-p {a.sampling.top_p:g}",
        ),
        "limits": (
            _limits(a),
            _limits(b),
            f"--action-tokens {a.limits.action_tokens} --thought-tokens {a.limits.thought_tokens}"
            + ("" if a.limits.timeout is None else f" --timeout {a.limits.timeout:g}"),
        ),
    }
    if "+shots=" in a.protocol:  # the seed chooses the examples
        rules["seed of the examples"] = (str(a.seed), str(b.seed), f"--seed {a.seed}")
    for what, (before, after, fix) in rules.items():
        if before != after:
            raise NotComparableError(
                f"another {what}: {before} in the baseline, {after} in the candidate. "
                f"Run the candidate again with {fix}"
            )


def _limits(config: RunConfig) -> str:
    limits = config.limits
    timeout = "none" if limits.timeout is None else f"{limits.timeout:g} s"
    return (
        f"{limits.action_tokens} action tokens, {limits.thought_tokens} thought tokens, "
        f"timeout {timeout}"
    )


def _panels(a: Side, b: Side, wanted: Sequence[str]) -> list[str]:
    played = [[plan.name for plan in side.config.panels] for side in (a, b)]
    both = [name for name in played[0] if name in played[1]]
    if not both:
        raise NotComparableError(
            f"no panel was played in both runs: {', '.join(played[0])} in the baseline, "
            f"{', '.join(played[1])} in the candidate. Run the candidate on the baseline's panels"
        )
    for name in wanted:
        if name not in both:
            raise UnknownNameError("panel of both runs:", name, both)
    return [name for name in both if not wanted or name in wanted]


def _shared_panel(name: str, a: Side, b: Side) -> SharedPanel:
    one, two = a.plan(name), b.plan(name)
    if one.step_limit != two.step_limit:
        raise NotComparableError(
            f"{name}: {one.step_limit} steps in the baseline, {two.step_limit} in the candidate. "
            f"Run the candidate again with --max-steps {one.step_limit}"
        )
    if one.lock != two.lock:
        raise NotComparableError(
            f"{name}: another lock, {one.lock[:8]} in the baseline, {two.lock[:8]} in the "
            "candidate: the panel's tasks, wording or suite changed in between. Run both with one "
            "version of cotgap and one set of data"
        )
    tasks = []
    for before, after in zip(one.tasks, two.tasks, strict=False):
        if before != after:
            break
        tasks.append(before)
    if not tasks:
        raise NotComparableError(
            f"{name}: the two runs share no task at its beginning. Run the candidate again with "
            f"--episodes {len(one.tasks)}"
        )
    return SharedPanel(name, one.lock, one.step_limit, tuple(tasks), one.size)


def _notices(
    a: Side, b: Side, panels: Sequence[SharedPanel], modes: Sequence[str]
) -> Iterator[str]:
    one, two = a.config.agent, b.config.agent
    if one.get("fingerprint") and one.get("fingerprint") == two.get("fingerprint"):
        if vouched(one) and vouched(two):
            yield "the same agent in both runs, by its fingerprint: differences are chance"
        else:
            yield (
                "both runs have one fingerprint, which does not cover all that decides this "
                "agent's answers (a server's weights, what a function calls)"
            )
    for panel in panels:
        played = len(a.plan(panel.name).tasks), len(b.plan(panel.name).tasks)
        if max(played) > len(panel.tasks):
            yield (
                f"{panel.name}: only the first {len(panel.tasks)} tasks are compared, which both "
                f"runs share ({played[0]} in the baseline, {played[1]} in the candidate)"
            )
    alone = [
        mode for mode in dict.fromkeys((*a.config.modes, *b.config.modes)) if mode not in modes
    ]
    if alone:
        yield f"mode {', '.join(alone)} drove only one of the runs and is not compared"
    if a.config.repeats != b.config.repeats:
        yield (
            f"{a.config.repeats} repeats in the baseline, {b.config.repeats} in the candidate: "
            "each task counts by its mean"
        )
    if other := differences(a.circumstances, b.circumstances):
        yield f"played under other circumstances: {clip('; '.join(other), 300)}"

"""Play a candidate by the rules of a baseline run, and compare: what a regression test does.

Finished episodes are kept: beneath the folder of runs, a candidate's run is found by what decides
it (the baseline's rules, the agent's fingerprint, device and precision), so that only what has not
been played is played. A checkpoint that has been is not even loaded: its files are hashed. What has
no fingerprint to rely on (a server's weights, code of one's own) is played every time.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from cotgap.agents.core import Sampling
from cotgap.agents.fingerprint import fingerprint
from cotgap.agents.modes import parse_modes
from cotgap.agents.options import loading_options
from cotgap.agents.specs import model_path
from cotgap.benchmark.compare.attempts import counted
from cotgap.benchmark.compare.comparison import Comparison, compare
from cotgap.benchmark.compare.gate import Wanted, check_margin
from cotgap.benchmark.compare.sides import NotComparableError, Side, read_side, vouched
from cotgap.benchmark.records.config import Limits, RunConfig, plan_panel
from cotgap.benchmark.records.files import acquire
from cotgap.benchmark.records.store import RUN
from cotgap.benchmark.rollout.engines import open_site
from cotgap.benchmark.rollout.engines.core import AgentRecipe, Order, Placement, Site
from cotgap.benchmark.rollout.episode import EpisodeRules, Job
from cotgap.benchmark.rollout.planning import plan_panels
from cotgap.benchmark.rollout.runner import Progress, plan, run
from cotgap.envs.core import CoTGapError, UnknownNameError
from cotgap.envs.registry import get_panel

# What of `make_agent`'s options decides records; the others only decide how fast.
DECISIVE = ("device", "dtype", "tokenizer")
OPTIONS = [field.name for field in fields(loading_options())]
SILENT = Progress(lambda jobs, before, notices: None, lambda: None, lambda episode: None)


@dataclass(frozen=True)
class Judged:
    """A comparison with its gates, and how many episodes had to be played for it now."""

    comparison: Comparison
    played: int


def judge(
    spec: str,
    baseline: Path,
    runs: Path,
    scratch: Path,
    *,
    panels: Sequence[str] = (),
    margin: float,
    gates: Sequence[str] = ("success",),
    options: Mapping[str, Any] | None = None,
) -> Judged:
    """Play what is missing of the candidate's run beneath `runs`, and gate it against `baseline`.

    `scratch` is an empty folder for the run of a candidate that has to be played every time.
    Panels (all of the baseline's, by default), tasks, modes, repeats, protocol, sampling and limits
    are the baseline's; `margin` is in percentage points; `options` are those of `make_agent`.
    Raises `CoTGapError` where that cannot be played or compared.
    """
    share, wanted = check_margin(margin), [Wanted.parse(gate) for gate in gates]
    for name in options or {}:
        if name not in OPTIONS:
            raise UnknownNameError("option of an agent:", name, OPTIONS)
    rules = _rules(read_side(baseline), panels)
    folder, played = _play(spec, rules, runs, scratch, dict(options or {}))
    names = [panel.name for panel in rules.panels]
    found = counted(compare(baseline, folder, panels=names, gates=wanted, margin=share))
    return Judged(found, played)


def _rules(baseline: Side, panels: Sequence[str]) -> RunConfig:
    """The baseline's configuration, on these panels; raises where it cannot be played so now."""
    played = [plan.name for plan in baseline.config.panels]
    for name in panels:
        if name not in played:
            raise UnknownNameError(f"panel of {baseline.folder}:", name, played)
    plans = tuple(p for p in baseline.config.panels if not panels or p.name in panels)
    for one in plans:
        now = plan_panel(get_panel(one.name), None, one.step_limit)
        if now.lock != one.lock:
            raise NotComparableError(
                f"{one.name} was played under lock {one.lock[:8]} in {baseline.folder}, and here "
                f"it has lock {now.lock[:8]}. Run the baseline again with this version"
            )
    return replace(baseline.config, panels=plans)


def _play(
    spec: str, rules: RunConfig, runs: Path, scratch: Path, options: dict[str, Any]
) -> tuple[Path, int]:
    """(the candidate's run, episodes played now)."""
    decisive = {k: str(v) for k, v in options.items() if k in DECISIVE and v is not None}
    place = runs / (_digest(decisive)[:8] if decisive else "default")
    lock = acquire(place / ".playing", wait=True)  # as of other pytest-xdist workers
    try:
        path = model_path(spec)
        if path is not None and (found := _finished(place, rules, fingerprint(path))):
            return found, 0
        recipe = AgentRecipe(spec, {"protocol": rules.protocol, **options})
        site = open_site("local", recipe, Placement())
        try:
            card = site.card
            config = replace(rules, agent=card.description, protocol=str(card.protocol))
            label = re.sub(r"[^\w.-]+", "-", Path(spec).name).strip("-.") or "agent"
            kept = place if vouched(card.description) else scratch
            folder = kept / f"{label[:60]}-{config.digest[:12]}"
            result = run(site, config, folder, SILENT)
        finally:
            site.close()
    finally:
        lock.close()
    if result.interrupted:
        raise KeyboardInterrupt
    return folder, 0 if result.session is None else result.session.episodes


def _finished(place: Path, rules: RunConfig, print_: str) -> Path | None:
    """The complete run by these rules of the checkpoint with this fingerprint."""
    for path in sorted(place.glob(f"*/{RUN}")):
        try:
            side = read_side(path.parent)
        except CoTGapError:
            continue
        same = replace(side.config, agent=rules.agent) == rules
        # An adapter's fingerprint is that of its base, too, which only loading it shows.
        if same and side.config.agent.get("fingerprint") == print_:
            scored = {episode.id for episode in side.episodes if episode.status.scored}
            if len(scored) == len(plan(rules)):
                return path.parent
    return None


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass
class Pace:
    """Plays the same episodes again and again, and says how fast."""

    site: Site
    config: RunConfig
    jobs: Sequence[Job]
    steps: int = 0
    seconds: float = 0.0
    tokens: int = 0

    def play(self) -> None:
        """Play all of them once; raises `CoTGapError` where an episode ends without a score."""
        order, begun = Order(EpisodeRules(self.config), self.site.card.batch_size), perf_counter()
        done = list(self.site.play(order, self.jobs, lambda: None))
        self.seconds += perf_counter() - begun
        for episode in done:
            if not episode.status.scored:
                raise CoTGapError(f"{episode.task_key}: {episode.status.value}: {episode.error}")
            self.steps += len(episode.steps)
            self.tokens += sum(step.decision.usage.completion_tokens for step in episode.steps)

    def forget(self) -> None:
        """Count from here on: what was played before was to warm up."""
        self.steps = self.tokens = 0
        self.seconds = 0.0

    def figures(self) -> dict[str, float]:
        """Steps per second and written tokens per step, over all that was played."""
        return {
            "steps_per_second": self.steps / self.seconds,
            "tokens_per_step": self.tokens / max(1, self.steps),
            "episodes": len(self.jobs),
        }


@contextmanager
def pace(
    spec: str, panel: str, mode: str, episodes: int, options: Mapping[str, Any]
) -> Iterator[Pace]:
    """An open agent on the first `episodes` tasks of a panel, driven by one mode."""
    plans = plan_panels([panel], episodes)
    site = open_site("local", AgentRecipe(spec, dict(options)), Placement())
    try:
        config = RunConfig(
            agent=site.card.description,
            protocol=str(site.card.protocol),
            modes=parse_modes(mode),
            shadow="auto",
            panels=plans,
            repeats=1,
            sampling=Sampling(),
            limits=Limits(),
            seed=0,
        )
        yield Pace(site, config, plan(config))
    finally:
        site.close()

"""What a probe is, where probes are found, and what they need of suites and backends.

A probe asks an agent at chosen states of a task (`examine`) and leaves rows, plain data, one for
each state; its `figures` are computed from the rows alone. All decoding is greedy.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cotgap.agents.agent import AgentCard
from cotgap.benchmark.metrics.core import Unit
from cotgap.benchmark.probes.states import Visit
from cotgap.benchmark.rollout.needs import Do, Think, Together
from cotgap.benchmark.stats.intervals import Estimate
from cotgap.envs.core import (
    CoTGapError,
    Expert,
    Oracle,
    Rationale,
    Snapshots,
    TextEnv,
)
from cotgap.envs.plugins import Extensions
from cotgap.envs.registry import suites

Row = dict[str, Any]
"""What a probe notes of one state, JSON-able. One with `skipped` says why nothing was counted."""


Asking = Generator[Think | Do | Together, Any, list[Row]]
"""A probe at work in one task: what it needs (`cotgap.benchmark.rollout.needs`), then its rows."""

ENVIRONMENT: Mapping[str, tuple[type, str]] = {
    "expert": (Expert, "an expert to compare with"),
    "oracle": (Oracle, "the cost to go from any state"),
    "rationale": (Rationale, "arguments for any action"),
    "snapshots": (Snapshots, "going back to an earlier state"),
}
"""What a probe may need of a suite: name → (its Protocol, in words)."""

BACKEND: Mapping[str, tuple[Callable[[AgentCard], bool], str, str]] = {
    "forced traces": (
        lambda card: card.reads_prefill and not card.protocol.asked,
        "continuing a reasoning trace that it is given",
        "scripted agents act on the environment and read no trace; local models do (a checkpoint "
        "folder, a .gguf file, ckpt, smollm2), and so do servers that prefill (not under +asked)",
    ),
    "a tokenizer": (
        lambda card: card.is_model,
        "counting its own tokens",
        "local models have one (a checkpoint folder, a .gguf file, ckpt, smollm2)",
    ),
    "a local model": (
        lambda card: card.is_local,
        "looking into the model",
        "local models are: a checkpoint folder, a .gguf file, ckpt, smollm2",
    ),
}
"""What a probe may need of an agent's backend: name → (has it?, what for, who has it)."""


@dataclass(frozen=True)
class Figure:
    """One number of a probe: `name` in `group` ("followed" in "rationale, aₚ wrong").

    `detail` figures are many and stay out of tables on a terminal.
    """

    name: str
    group: str
    unit: Unit
    estimate: Estimate
    detail: bool = False


@dataclass(frozen=True)
class Probe:
    """A diagnostic. `needs` names entries of `ENVIRONMENT`, `backend_needs` of `BACKEND`.

    `version` changes whenever the same replies could give other rows. `figures` is given the rows
    of each task that has any.
    """

    name: str
    title: str
    doc: str
    examine: Callable[[Visit], Asking]
    figures: Callable[[Sequence[Sequence[Row]]], list[Figure]]
    needs: tuple[str, ...] = ()
    backend_needs: tuple[str, ...] = ()
    version: int = 1


PROBES: Extensions[Probe] = Extensions(
    "probe",
    __package__,
    "PROBE",
    Probe,
    helpers=("core", "counting", "driving", "running", "states", "tables", "words"),
)


def probes() -> Mapping[str, Probe]:
    """Every probe by name."""
    return PROBES.all()


def get_probe(name: str) -> Probe:
    """The probe of that name; raises `UnknownNameError`."""
    return PROBES.get(name)


def check_backend(probe: Probe, card: AgentCard) -> None:
    """Raise `CoTGapError` where the agent's backend lacks what the probe needs."""
    for need in probe.backend_needs:
        has, purpose, who = BACKEND[need]
        if not has(card):
            raise CoTGapError(
                f"probe {probe.name!r} needs {need} ({purpose}), which agent {card.name!r} "
                f"(backend {card.description['backend']!r}, protocol {str(card.protocol)!r}) "
                f"has not: {who}"
            )


def check_environment(probe: Probe, env: TextEnv) -> None:
    """Raise `CoTGapError` where the environment lacks what the probe needs; names who has it."""
    lacking = [need for need in probe.needs if not isinstance(env, ENVIRONMENT[need][0])]
    if lacking:
        words = ", ".join(f"{need} ({ENVIRONMENT[need][1]})" for need in lacking)
        having, unknown = _having(probe.needs)
        more = f". Not installed here, so not asked: {', '.join(unknown)}" if unknown else ""
        raise CoTGapError(
            f"probe {probe.name!r} needs {words}, which suite {env.panel.suite!r} lacks. "
            f"Suites with all it needs: {', '.join(having) or 'none'}{more}"
        )


def _having(needs: Sequence[str]) -> tuple[list[str], list[str]]:
    """(suites that have all of this, suites that cannot be asked here)."""
    having, unknown = [], []
    for suite in suites().values():
        if not suite.availability().usable:
            unknown.append(suite.name)
            continue
        env = suite.make(list_actions=False)
        if all(isinstance(env, ENVIRONMENT[need][0]) for need in needs):
            having.append(suite.name)
        env.close()
    return having, unknown

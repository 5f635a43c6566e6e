"""Episodes as the viewer reads them: a row of the index, and a file of their own."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from cotgap.agents.core import Decision
from cotgap.benchmark.records.episode import Episode, StepRecord
from cotgap.benchmark.report.revisions import verdict
from cotgap.benchmark.report.text import clip, shorten


def script(function: str, *arguments: Any) -> str:
    """JavaScript that calls a function of the viewer with plain data.

    Pages of the file system may not fetch, but may load scripts. The text is ASCII and holds no
    character that ends a script, a string or a line early, whatever the data hold.
    """
    texts = (json.dumps(a, ensure_ascii=True, separators=(",", ":")) for a in arguments)
    safe = ",".join(texts).replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")
    return f"cotgap.{function}({safe});\n"


def row(episode: Episode, run: int) -> dict[str, Any]:
    """What the viewer lists and filters an episode by; `run` is its run's place in the report."""
    verdicts = Counter(filter(None, map(verdict, episode.steps)))
    return {
        "run": run,
        "key": clip(str(episode.task_key), 200),
        "panel": clip(episode.task_key.panel),
        "task": clip(episode.task_key.task),
        "kind": clip(episode.task_kind),
        "mode": clip(episode.mode),
        "repeat": episode.repeat,
        "status": episode.status.value,
        "score": episode.score,
        "goal": clip(episode.goal, 160),
        "steps": len(episode.steps),
        "verdicts": dict(sorted(verdicts.items())),
        "unparsed": sum(_unparsed(step) for step in episode.steps),
        "invalid": sum(s.decision.action is not None and not s.valid for s in episode.steps),
    }


def payload(episode: Episode) -> dict[str, Any]:
    """Everything the viewer shows of an episode."""
    return {
        "goal": shorten(episode.goal),
        "error": None if episode.error is None else shorten(episode.error),
        "final": shorten(episode.final_observation),
        "tokens": [episode.usage.prompt_tokens, episode.usage.completion_tokens],
        "dropped": episode.usage.dropped_steps,
        "seconds": episode.wall_seconds,
        "steps": [_step(step) for step in episode.steps],
    }


def _step(step: StepRecord) -> dict[str, Any]:
    decisions = (step.decision, *step.shadows.values())
    return {
        "observation": shorten(step.observation),
        "driver": clip(step.decision.mode),
        "decisions": {clip(d.mode): _decision(d, step) for d in decisions},
        "valid": step.valid,
        "reward": step.reward,
        "distance": step.cost_to_go.get("state"),
        "judged": "state" in step.cost_to_go,
        "verdict": verdict(step),
    }


def _decision(decision: Decision, step: StepRecord) -> dict[str, Any]:
    canonical = step.canonical.get(decision.mode)
    return {
        "action": None if decision.action is None else shorten(decision.action),
        "canonical": None if canonical is None else shorten(canonical),
        "thought": None if decision.thought is None else shorten(decision.thought),
        "raw": shorten(decision.raw),
        "error": None if decision.parse_error is None else clip(decision.parse_error),
        "finish": clip(decision.finish_reason),
        "tokens": decision.usage.completion_tokens,
        "judged": decision.mode in step.cost_to_go,
        "distance": step.cost_to_go.get(decision.mode),
    }


def _unparsed(step: StepRecord) -> bool:
    return any(d.action is None for d in (step.decision, *step.shadows.values()))

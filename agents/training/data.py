"""Expert episodes: played, written and read. `cotgap data` makes a file of them.

A line of JSON is one episode:

| field | meaning |
|---|---|
| `messages` | the conversation in chat format, as Hugging Face `datasets` and TRL read it. Each assistant turn has a `weight`: 1, it is the expert's and worth learning, or 0, it was a random action and only belongs to the history (other turns have 0) |
| `steps` | at each assistant turn what the expert says there (`thought`, `action`; the target, also where a random action was taken) and the `executed` action |
| `id`, `task_key`, `panel`, `kind`, `goal` | which episode, of which task and task type |
| `instructions`, `example`, `protocol` | what the system message was made from |
| `noise` | the probability of a random action |

An expert's turn holds thought and action. Protocol `tags-1` shows a model the actions only of
earlier turns, which is how `cotgap.agents.training.sequences` builds examples from a line.
"""  # noqa: E501

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cotgap.agents.core import DEFAULT_TAGS
from cotgap.agents.modes import get_mode
from cotgap.agents.protocol import TAGS_1, system_message
from cotgap.agents.training.masking import checked_share
from cotgap.envs.core import CoTGapError, TextEnv
from cotgap.envs.expert import play_expert
from cotgap.envs.files import write_lines
from cotgap.envs.text import to_json


@dataclass(frozen=True, slots=True)
class Step:
    """A state and what to do there.

    `thought` and `action` are the expert's (the target); `executed` is the action that was taken,
    a random one where it differs.
    """

    observation: str
    thought: str
    action: str
    executed: str


@dataclass(frozen=True, slots=True)
class Episode:
    """An episode that ended in success. `id` names it among all, noise and repeats included."""

    id: str
    task_key: str
    panel: str
    kind: str
    goal: str
    instructions: str
    example: str
    noise: float
    steps: tuple[Step, ...]

    def to_json(self) -> dict[str, Any]:
        """The line of the file, as the module says."""
        return {
            "messages": self._messages(),
            "steps": [
                {"thought": step.thought, "action": step.action, "executed": step.executed}
                for step in self.steps
            ],
            "id": self.id,
            "task_key": self.task_key,
            "panel": self.panel,
            "kind": self.kind,
            "goal": self.goal,
            "instructions": self.instructions,
            "example": self.example,
            "protocol": str(TAGS_1),
            "noise": self.noise,
        }

    def _messages(self) -> list[dict[str, Any]]:
        system = system_message(self.instructions, DEFAULT_TAGS, self.example)
        messages: list[dict[str, Any]] = [{"role": "system", "content": system, "weight": 0}]
        for step in self.steps:
            expert = step.executed == step.action
            mode = get_mode("cot" if expert and step.thought else "prompt")
            reply = mode.write(step.executed, step.thought, DEFAULT_TAGS)
            messages.append({"role": "user", "content": step.observation, "weight": 0})
            messages.append({"role": "assistant", "content": reply, "weight": int(expert)})
        return messages

    @classmethod
    def from_json(cls, line: dict[str, Any]) -> Episode:
        """Read a line; raises `CoTGapError` where its parts contradict each other or are missing.

        The messages must be those that the other fields give: whoever edits one edits both.
        """
        try:
            observations = [m["content"] for m in line["messages"] if m["role"] == "user"]
            steps = tuple(
                Step(text, step["thought"], step["action"], step["executed"])
                for text, step in zip(observations, line["steps"], strict=True)
            )
            names = ("id", "task_key", "panel", "kind", "goal", "instructions", "example", "noise")
            episode = cls(**{name: line[name] for name in names}, steps=steps)
            messages = episode._messages()
        except (KeyError, TypeError, ValueError) as error:
            raise CoTGapError(f"not an episode: {type(error).__name__}: {error}") from error
        if messages != line["messages"]:
            raise CoTGapError(
                "its messages are not what its steps and instructions give; it was edited, or "
                "made by another version. Make the data again: cotgap data"
            )
        return episode


def play(env: TextEnv, task: str, *, noise: float, seed: int) -> Episode | None:
    """The expert's episode of one task; None where the step limit came first.

    With probability `noise` a step's executed action is a random admissible one, and the expert
    goes on from wherever that leads. The same arguments give the same episode. Raises
    `CoTGapError` where the suite has no expert.
    """
    checked_share("noise", noise)
    dice = random.Random(f"{seed}|{task}")
    game = play_expert(env, task, noise=noise, dice=dice)
    if not game.won:
        return None
    return Episode(
        id=f"{game.key}~{noise:g}~{seed}",
        task_key=str(game.key),
        panel=env.panel.name,
        kind=env.panel.task(task).kind,
        goal=game.goal,
        instructions=game.instructions,
        example=game.example,
        noise=noise,
        steps=tuple(Step(s.observation, s.thought, s.action, s.executed) for s in game.steps),
    )


def write_jsonl(path: Path, episodes: Iterable[Episode]) -> int:
    """Write a line for each episode; returns how many. See `write_lines` for failures."""
    return write_lines(path, (to_json(episode.to_json()) + "\n" for episode in episodes))


def read_jsonl(path: Path) -> Iterator[Episode]:
    """The episodes of a file; raises `CoTGapError` naming the line that is none."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                try:
                    yield Episode.from_json(json.loads(line))
                except (ValueError, CoTGapError) as error:
                    raise CoTGapError(f"{path}, line {number}: {error}") from error
    except OSError as error:
        raise CoTGapError(f"cannot read {path}: {error}") from error

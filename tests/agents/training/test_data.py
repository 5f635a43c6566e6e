"""Expert episodes as data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cotgap.agents.core import DEFAULT_TAGS
from cotgap.agents.modes import get_mode
from cotgap.agents.training.data import Episode, play, read_jsonl, write_jsonl
from cotgap.envs.core import CoTGapError, Outcome, Task, TextEnv
from cotgap.envs.toy import SUITE

from .conftest import toy_episodes


def test_the_same_arguments_give_the_same_episode() -> None:
    assert toy_episodes(5) == toy_episodes(5)
    assert toy_episodes(5) != toy_episodes(5, noise=0.1)


def test_without_noise_the_expert_acts() -> None:
    for episode in toy_episodes(5, noise=0.0):
        assert all(step.executed == step.action for step in episode.steps)


def test_recoveries_are_replayable(episodes: list[Episode]) -> None:
    """The executed actions lead through the observations, and targets are the expert's there."""
    assert any(step.executed != step.action for one in episodes for step in one.steps)
    env = SUITE.make(SUITE.panel("train"), list_actions=False)
    for episode in episodes:
        observation, info = env.reset(options={"task": episode.task_key.split("/")[2][:4]})
        for step in episode.steps:
            assert (observation, env.expert_action()) == (step.observation, step.action)
            assert step.thought == env.rationale(step.action)
            observation, *_, info = env.step(step.executed)
        assert info["won"]


def test_lines_are_chats(episodes: list[Episode]) -> None:
    for episode in episodes:
        line = episode.to_json()
        roles = [message["role"] for message in line["messages"]]
        assert roles == ["system", *["user", "assistant"] * len(episode.steps)]
        replies = [m for m in line["messages"] if m["role"] == "assistant"]
        for step, message in zip(episode.steps, replies, strict=True):
            expert = step.executed == step.action
            mode = get_mode("cot" if expert else "prompt")
            said = mode.parse(message["content"], DEFAULT_TAGS)
            assert said == (step.executed, step.thought if expert else None, None)
            assert message["weight"] == int(expert)


def test_files_round_trip(episodes: list[Episode], tmp_path: Path) -> None:
    path = tmp_path / "sub" / "toy.jsonl"
    assert write_jsonl(path, episodes) == len(episodes)
    assert list(read_jsonl(path)) == episodes
    assert [p.name for p in path.parent.iterdir()] == ["toy.jsonl"]


def test_datasets_reads_a_file(episodes: list[Episode], tmp_path: Path) -> None:
    datasets: Any = pytest.importorskip("datasets")
    path = tmp_path / "toy.jsonl"
    write_jsonl(path, episodes)
    loaded = datasets.load_dataset(
        "json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert loaded.num_rows == len(episodes)
    assert [dict(row)["messages"] for row in loaded] == [e.to_json()["messages"] for e in episodes]


def test_a_failing_write_leaves_the_file(episodes: list[Episode], tmp_path: Path) -> None:
    path = tmp_path / "toy.jsonl"
    write_jsonl(path, episodes[:1])

    def full() -> Any:
        yield episodes[0]
        raise OSError(28, "No space left on device")

    with pytest.raises(CoTGapError, match="No space left"):
        write_jsonl(path, full())
    assert list(read_jsonl(path)) == episodes[:1]


def edited(line: dict[str, Any], what: str) -> dict[str, Any]:
    if what == "reply":
        line["messages"][2]["content"] = "<action>look</action>"
    elif what == "steps":
        line["steps"].pop()
    elif what == "field":
        del line["goal"]
    else:
        line["messages"][0]["content"] += " Be quick."
    return line


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("reply", "its messages are not what its steps"),
        ("steps", "not an episode: ValueError"),
        ("field", "not an episode: KeyError: 'goal'"),
        ("system", "its messages are not what"),
    ],
)
def test_edited_lines(episodes: list[Episode], tmp_path: Path, what: str, message: str) -> None:
    path = tmp_path / "edited.jsonl"
    good, bad = episodes[0].to_json(), edited(episodes[1].to_json(), what)
    path.write_text("".join(json.dumps(line) + "\n" for line in (good, bad)))
    with pytest.raises(CoTGapError, match=rf"edited\.jsonl, line 2: {message}"):
        list(read_jsonl(path))


def test_no_json_and_no_file(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text("nonsense\n")
    with pytest.raises(CoTGapError, match=r"bad\.jsonl, line 1: "):
        list(read_jsonl(tmp_path / "bad.jsonl"))
    with pytest.raises(CoTGapError, match="cannot read"):
        list(read_jsonl(tmp_path / "none.jsonl"))


class Bare(TextEnv):
    """An environment with no capabilities."""

    goal = "none"

    def _start(self, task: Task, seed: int) -> Outcome:
        return Outcome("", 0.0, won=False)

    def _act(self, action: str) -> Outcome:
        return Outcome("", 0.0, won=False)


def test_a_suite_without_an_expert() -> None:
    with pytest.raises(CoTGapError, match="suite 'toy' has no expert to learn from"):
        play(Bare(SUITE.panel("train")), "0000", noise=0.0, seed=0)


def test_bad_noise() -> None:
    with pytest.raises(CoTGapError, match=r"noise 1\.5 is out of range"):
        toy_episodes(1, noise=1.5)


def test_lost_episodes_are_left_out() -> None:
    panel = replace(SUITE.panel("train"), step_limit=1)
    env = SUITE.make(panel, list_actions=False)
    assert play(env, "0000", noise=0.0, seed=0) is None

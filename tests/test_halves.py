"""Half a character, wherever it comes from, is recorded as it is, and everything goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cotgap.agents.core import Completion, Decision, Request, Usage
from cotgap.agents.rendering import Part
from cotgap.agents.specs import make_agent
from cotgap.benchmark.records.episode import Episode
from cotgap.benchmark.records.store import EPISODES, read_episodes
from cotgap.envs.core import CoTGapError
from cotgap.envs.schema import PRIVATE, STAND_INS
from cotgap.envs.text import joined, readable, to_json
from cotgap.envs.toy import ToyEnv
from tests.commands import cotgap

HALF, OTHER = "\ud83d", "\ude00"
RUN = ("run", "--agent", "tests.scripts:halves", "--panel", "toy/id", "--mode", "both")


def test_texts() -> None:
    assert joined(f"a{HALF}{OTHER}{HALF}b") == f"a\U0001f600{HALF}b"
    assert readable(f"a{HALF}{OTHER}{HALF}b") == "a\U0001f600\ufffdb"
    assert joined("plain") is readable("plain") or joined("plain") == "plain"
    text = to_json({f"é{HALF}": [OTHER]})
    assert text.encode() == b'{"\xc3\xa9\\ud83d": ["\\ude00"]}'
    assert json.loads(text) == {f"é{HALF}": [OTHER]}
    assert Part("observation", f"a{HALF}").text == "a\ufffd"


@pytest.mark.parametrize(
    "text", [HALF, OTHER, f"\U0001f600{HALF}", f"{OTHER}{HALF}", "\U000f0000" + HALF]
)
def test_a_record_comes_back(text: str) -> None:
    decision = Decision("cot", text, f"\\ud83d {text}", f"<{text}>", usage=Usage(1, 2, 0.5))
    assert Decision.from_json(decision.to_json()) == decision
    assert Decision.parse(to_json(decision.to_json())) == decision
    assert Decision.from_json(decision.to_json(), foreign=True) == decision


def test_what_cannot_be_read_is_refused() -> None:
    every = "".join(chr(block * STAND_INS) for block in PRIVATE)
    decision = Decision("cot", HALF, None, every)
    with pytest.raises(CoTGapError, match="every private character"):
        Decision.from_json(decision.to_json())
    with pytest.raises(CoTGapError):
        Episode.parse('{"a":"\\ud800","b":' + "[" * 5_000)
    with pytest.raises(CoTGapError, match="mode"):
        Decision.from_json({**decision.to_json(), "raw": "", "mode": HALF}, foreign=True)


def test_both_halves_from_two_places_are_one_character() -> None:
    agent = make_agent("noisy")
    request = Request((), f"<action>{HALF}", ("</action>",), 8, "prompt")
    decision = agent.parse(request, Completion(f"{OTHER}</action>", "stop"))
    assert decision.action == "\U0001f600"
    assert Decision.from_json(decision.to_json()) == decision


@pytest.fixture
def played(tmp_path: Path) -> Path:
    """A complete run of an agent that writes halves, resumed on the way."""
    for episodes in ("2", "4"):
        done = cotgap(*RUN, "--episodes", episodes, "--out", tmp_path / "run")
        assert done.exit_code == 0, done.output
    return tmp_path / "run"


def test_a_run_is_resumed_reported_compared_submitted_and_verified(
    played: Path, tmp_path: Path
) -> None:
    episodes = read_episodes(played)
    actions = [step.decision.action for episode in episodes for step in episode.steps]
    assert len(episodes) == 8
    assert any(action and HALF in action for action in actions)
    (played / EPISODES).read_bytes().decode("utf-8")
    other = tmp_path / "other"
    for arguments in (
        (*RUN, "--episodes", "4", "--seed", "1", "--out", str(other), "--json"),
        ("report", str(played), "--out", str(tmp_path / "report")),
        ("compare", str(played), str(other)),
        ("compare", str(played), str(other), "--json"),
        ("submit", str(played), "--out", str(tmp_path / "file.jsonl.xz")),
        ("verify", str(tmp_path / "file.jsonl.xz")),
    ):
        done = cotgap(*arguments)
        assert done.exit_code == 0, done.output


def test_an_environment_that_says_half_a_character(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_checkpoint: Path
) -> None:
    step = ToyEnv.step

    def says(env: ToyEnv, action: str) -> Any:
        observation, *rest = step(env, action)
        return (observation + HALF, *rest)

    monkeypatch.setattr(ToyEnv, "step", says)
    for agent in (str(tiny_checkpoint), "noisy"):
        out = tmp_path / Path(agent).name
        done = cotgap(
            *("run", "--agent", agent, "--panel", "toy/id", "--episodes", "1", "--max-steps", "3"),
            *("--action-tokens", "4", "--thought-tokens", "4", "--env-workers", "0"),
            *("--mode", "both", "--out", out),
        )
        assert done.exit_code == 0, done.output
        assert all(episode.steps[1].observation.endswith(HALF) for episode in read_episodes(out))

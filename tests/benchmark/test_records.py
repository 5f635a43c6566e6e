"""What is read back of a run is what was written, and what is wrong is named."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from cotgap.agents.core import Decision, Sampling
from cotgap.benchmark.records.config import Limits, RunConfig, digest_of
from cotgap.benchmark.records.episode import Episode, Status
from cotgap.benchmark.records.sessions import Session
from cotgap.envs.core import CoTGapError
from tests.benchmark.building import episode, random_run, step

CONFIG: dict[str, Any] = {
    "agent": {
        "name": "noisy",
        "backend": "scripted",
        "fingerprint": "c434cd71ce68b3b3fcfa874ab8f68eb6ce9f3d5e55c4cdd6187f14073855c909",
        "noise": {"prompt": 0.6, "cot": 1e-05},
        "sizes": [1, 2.0, None],
    },
    "protocol": "tags-1",
    "modes": ["prompt", "cot"],
    "shadow": "auto",
    "panels": [
        {"name": "toy/id", "lock": "9c2a", "step_limit": 50, "size": 200, "tasks": ["b", "a"]}
    ],
    "repeats": 1,
    "sampling": {"temperature": 0.7, "top_p": 1},
    "limits": {"action_tokens": 64, "thought_tokens": 448, "timeout": None},
    "seed": 0,
}
DIGEST = "09e8ba5ad5bcf0ebbe4f5c578ce3c2da15c2a1a028a2cb80027a030800d864d2"


def test_the_digest_of_an_old_run() -> None:
    """It is kept in folders and submissions, and tells 1 from 1.0."""
    config = RunConfig.from_json(CONFIG)
    assert config.digest == digest_of(CONFIG) == DIGEST
    assert json.dumps(config.to_json()) == json.dumps(CONFIG)
    whole = replace(config, sampling=Sampling(0.7, 1.0))
    assert whole.digest != DIGEST


def test_episodes_come_back() -> None:
    odd = '\u0000\u2028\U0001f600\u202e "\\'
    said = Decision("cot", odd, odd, odd, None, "length")
    for one in (*random_run(0), replace(episode("a", "cot", steps=[step("cot", None)]), goal=odd)):
        one = replace(one, steps=(*one.steps, replace(step("cot", "x"), decision=said)))
        text = json.dumps(one.to_json(), ensure_ascii=False)
        assert Episode.parse(text) == one
        assert json.dumps(Episode.parse(text).to_json(), ensure_ascii=False) == text


def edited(path: str, value: Any) -> dict[str, Any]:
    """An episode as JSON with a value put at a place, or removed by `...`."""
    data: Any = episode("a", "cot", steps=[step("cot", "go", ("prompt", "stay"))]).to_json()
    *above, last = (int(part) if part.isdecimal() else part for part in path.split("."))
    parent = data
    for part in above:
        parent = parent[part]
    if value is ...:
        del parent[last]
    else:
        parent[last] = value
    return dict(data)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("schema", 2, r"^schema: 2 should be 1$"),
        ("score", None, r"^lacks the score of a success$"),
        ("score", "1", r"^score: '1' should be a valid number$"),
        ("mode", ..., r"^lacks the field 'mode'$"),
        ("bonus", 1, r"^unknown field 'bonus'$"),
        ("status", "won", r"^status: 'won' should be 'success', 'failure', 'truncated', "),
        ("task_key", "toy", r"^task_key: bad task key 'toy': expected SUITE/SPLIT/TASK"),
        ("steps", {}, r"^steps: an object of 0 should be a valid array$"),
        ("steps.0.valid", 1, r"^steps\[0\].valid: 1 should be a valid boolean$"),
        (
            "steps.0.decision.finish_reason",
            "<script>",
            r"^steps\[0\].decision.finish_reason: '<script>' should be 'stop', 'length' or 'eos'$",
        ),
        ("steps.0.shadows.prompt.raw", 1, r"^steps\[0\].shadows.prompt.raw: 1 should be a valid s"),
        (
            "steps.0.decision.usage.prompt_tokens",
            -1,
            r"^steps\[0\].decision.usage.prompt_tokens: -1 should be greater than or equal to 0$",
        ),
    ],
)
def test_what_is_wrong_is_named(path: str, value: Any, message: str) -> None:
    with pytest.raises(CoTGapError, match=message):
        Episode.from_json(edited(path, value))


def test_several_errors_are_counted() -> None:
    with pytest.raises(CoTGapError, match=r"^lacks the field 'task_key' \(and 8 more\)$"):
        Episode.parse("{}")


@pytest.mark.parametrize("text", ["", "[]", "nul", "{} {}", "[" * 5_000, b"\xff", '"\\ud800"'])
def test_no_json(text: str | bytes) -> None:
    with pytest.raises(CoTGapError):
        Episode.parse(text)


def test_limits_name_the_option() -> None:
    with pytest.raises(CoTGapError, match="--timeout 0: give seconds, more than 0"):
        RunConfig.from_json({**CONFIG, "limits": {"timeout": 0}})
    assert RunConfig.from_json({**CONFIG, "limits": {}}).limits == Limits()


def test_unscored_episodes_and_sessions_come_back() -> None:
    broken = episode("a", "cot", Status.BACKEND_ERROR)
    assert Episode.from_json(broken.to_json()) == broken
    session = Session("local", 2, 3, 4, 1.5, 0.5, 0.25)
    assert Session.from_json(session.to_json()) == session
    with pytest.raises(CoTGapError, match="lacks the field 'engine'"):
        Session.from_json({"workers": 1})

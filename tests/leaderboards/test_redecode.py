"""Steps decoded again: the bundled checkpoint agrees with itself, a forged text does not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from cotgap.agents.agent import Agent
from cotgap.agents.backends.scripted import ScriptedBackend
from cotgap.agents.core import Decision
from cotgap.envs.core import CoTGapError
from cotgap.leaderboards.commands.verify import tier_of
from cotgap.leaderboards.read import read_submission
from cotgap.leaderboards.redecode import Redecoded, _compared, draw, is_exact, redecode
from cotgap.leaderboards.verify import verify
from tests.leaderboards.making import Content, play, submit


@pytest.fixture(scope="module")
def decoded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A submission of the bundled checkpoint: three short episodes in each mode."""
    folder = tmp_path_factory.mktemp("ckpt")
    run = play(folder / "run", "ckpt", ["household/id"], 3, max_steps=5, threads=1)
    return submit(folder / "ckpt.jsonl.xz", run)


def test_a_checkpoint_agrees_with_itself(decoded: Path) -> None:
    again = redecode(read_submission(decoded), "ckpt", 30, seed=0, options={"threads": 1})
    assert (again.n, again.agreed) == (30, 30), again.differences
    assert again.exact
    assert again.passed
    assert not again.differences
    assert again.low > 0.85
    assert tier_of(again)[0] == "re-decoded"


def test_a_reply_that_was_never_decoded(decoded: Path, tmp_path: Path) -> None:
    """It replays without a finding: only the checkpoint tells."""
    content = Content.of(decoded)
    forged = content.episode("household/id", "cot")["steps"][0]["decision"]
    thought = forged["thought"] or ""
    forged["thought"] = f"{thought} I am sure."
    forged["raw"] = forged["raw"].replace(thought, forged["thought"], 1)
    submission = read_submission(content.write(tmp_path / "forged.jsonl.xz"))
    assert verify(submission, workers=1).verified
    again = redecode(submission, "ckpt", 1_000, seed=0, options={"threads": 1})
    assert again.agreed == again.n - 1
    assert not again.passed
    (finding,) = again.differences
    assert finding.kind == "redecoded"
    assert "I am sure" in finding.said
    assert tier_of(again) == ("replayed", "")


def test_tokens_that_were_miscounted(decoded: Path, tmp_path: Path) -> None:
    content = Content.of(decoded)
    episode = content.episode("household/id", "prompt")
    for usage in (episode["usage"], episode["steps"][0]["decision"]["usage"]):
        usage["prompt_tokens"] -= 1
    submission = read_submission(content.write(tmp_path / "cheap.jsonl.xz"))
    assert verify(submission, workers=1).verified
    again = redecode(submission, "ckpt", 1_000, seed=0, options={"threads": 1})
    assert again.agreed == again.n - 1
    assert [finding.kind for finding in again.differences] == ["tokens"]
    assert not again.passed


def test_tokens_that_were_never_counted(decoded: Path, tmp_path: Path) -> None:
    """A local model writes no text without tokens; that takes no checkpoint to know."""
    content = Content.of(decoded)
    for line in content.lines:
        for step in line["episode"]["steps"]:
            step["decision"]["usage"]["completion_tokens"] = 0
        line["episode"]["usage"]["completion_tokens"] = 0
    findings = verify(read_submission(content.write(tmp_path / "free.jsonl.xz")), workers=1)
    assert set(findings.counts) == {"usage"}


def test_an_agent_that_reads_its_environment(honest: Path) -> None:
    again = redecode(read_submission(honest), "noisy:prompt=0.5,cot=0.3", 1_000, seed=0)
    assert again.passed
    assert again.n > 60


def test_another_agent_is_refused(honest: Path) -> None:
    with pytest.raises(CoTGapError, match="is another agent: its fingerprint is"):
        redecode(read_submission(honest), "expert", 5, seed=0)


def test_every_step_is_as_likely(honest: Path) -> None:
    submission = read_submission(honest)
    every = draw(submission, 10_000, seed=0)
    (run,) = submission.runs
    states = sum(len(e.steps) * (2 if e.mode == "cot" else 1) for e in run.episodes)
    assert len(every) == len(set(map(str, every))) == states
    times = Counter(each.where for seed in range(400) for each in draw(submission, 5, seed))
    assert len(times) == states  # each is missed by all with probability under 1e-8
    assert draw(submission, 5, seed=1) == draw(submission, 5, seed=1)


class _Rounding(ScriptedBackend):
    def describe(self) -> dict[str, object]:
        return {"dtype": "bfloat16"}


def test_which_agents_must_agree_fully() -> None:
    exact = Agent("a", "a", ScriptedBackend(lambda request: "", {}))
    assert is_exact(exact)
    assert not is_exact(Agent("a", "a", _Rounding(lambda request: "", {})))
    served = ScriptedBackend(lambda request: "", {})
    served.name = "openai"
    assert not is_exact(Agent("a", "a", served))


def test_the_rule_where_rounding_may_differ(honest: Path) -> None:
    """Most must surely agree; one in five may not."""
    drawn = draw(read_submission(honest), 60, seed=0)

    def outcome(n: int, agreed: int) -> Redecoded:
        other = Decision("prompt", None, None, "never said", "no_action")
        pairs = [(each, each.said if i < agreed else other) for i, each in enumerate(drawn[:n])]
        return _compared(pairs, 0, exact=False)

    assert outcome(60, 48).passed
    assert not outcome(60, 36).passed
    assert not outcome(3, 3).passed  # too few to say anything
    assert not outcome(60, 0).passed

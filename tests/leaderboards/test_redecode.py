"""Steps decoded again: the bundled checkpoint agrees with itself, a forged text does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cotgap.agents.core import Decision, Sampling
from cotgap.benchmark.domain import panel_facts
from cotgap.benchmark.records.episode import Status
from cotgap.envs.core import CoTGapError
from cotgap.leaderboards.cards import bundled_cards, kept
from cotgap.leaderboards.commands.verify import tier_of
from cotgap.leaderboards.read import read_submission
from cotgap.leaderboards.redecode import (
    Reply,
    Sample,
    _deciding,
    draw,
    judged,
    redecode,
    tolerance_of,
)
from cotgap.leaderboards.rules import breaches
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
    assert again.tolerance is None
    assert again.passed
    assert not again.differences
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


def test_a_bundled_checkpoint_under_a_false_card(decoded: Path, tmp_path: Path) -> None:
    """Said to be trained on ALFWorld, the household panels would all be out of domain for it."""
    content = Content.of(decoded)
    fingerprint = content.config["agent"]["fingerprint"]
    own = kept(bundled_cards()[fingerprint])
    content.header["entrant"]["card"] = own
    submission = read_submission(content.write(tmp_path / "own.jsonl.xz"))
    assert verify(submission, workers=1).verified
    assert list(breaches(submission)) == []
    content.header["entrant"]["card"] = {"trained_on": [panel_facts("alfworld/train")]}
    submission = read_submission(content.write(tmp_path / "false.jsonl.xz"))
    findings = verify(submission, workers=1)
    assert dict(findings.counts) == {"card": 1}
    assert "trained_on" in findings.problems[0].found
    (reason,) = breaches(submission)
    assert reason.startswith("the card is not this checkpoint's: trained_on")


def test_an_agent_that_reads_its_environment(honest: Path) -> None:
    again = redecode(read_submission(honest), "noisy:prompt=0.5,cot=0.3", 1_000, seed=0)
    assert again.passed
    assert again.n > 60


def test_another_agent_is_refused(honest: Path) -> None:
    with pytest.raises(CoTGapError, match="is another agent: its fingerprint is"):
        redecode(read_submission(honest), "expert", 5, seed=0)


def test_every_step_may_be_drawn_and_every_success_is(honest: Path) -> None:
    submission = read_submission(honest)
    every = draw(submission, 10_000, seed=0).drawn
    (run,) = submission.runs
    states = sum(len(e.steps) * (2 if e.mode == "cot" else 1) for e in run.episodes)
    assert len(every) == len(set(map(str, every))) == states
    successes = {e.id for e in run.episodes if e.status is Status.SUCCESS}
    assert successes
    seen: set[str] = set()
    for seed in range(400):
        sample = draw(submission, 60, seed)
        seen |= {each.where for each in sample.drawn}
        driven = [each for each in sample.drawn if each.mode == each.job.mode]
        assert successes <= {each.episode.id for each in driven}
    assert len(seen) == states  # each is missed by all with probability under 1e-8
    assert draw(submission, 5, seed=1) == draw(submission, 5, seed=1)


def test_the_power_that_is_stated_is_kept(honest: Path) -> None:
    """So many flipped episodes, wherever in them the forged step is, are found 19 times in 20."""
    submission = read_submission(honest)
    sample = draw(submission, 40, seed=0)
    assert 0 < sample.flips <= len(sample.chances)
    assert draw(submission, 10_000, seed=0).flips == 1
    (run,) = submission.runs
    earned = [e for e in run.episodes if _deciding(e)]
    worst = sorted(earned, key=lambda e: -len(_deciding(e)))[: sample.flips]
    forged = {(e.id, _deciding(e)[0]) for e in worst}
    found = sum(
        any((each.episode.id, each.step) in forged and each.mode == each.job.mode for each in drawn)
        for drawn in (draw(submission, 40, seed).drawn for seed in range(400))
    )
    assert found >= 0.92 * 400


def test_what_nothing_was_won_in_can_hide_nothing() -> None:
    assert Sample((), ()).flips == 0
    assert Sample((), (0.2,) * 13).flips == 0
    assert Sample((), (0.2,) * 14).flips == 14
    assert Sample((), (1.0, 0.5, 0.5)).flips == 3


@pytest.fixture(scope="module")
def forged(tmp_path_factory: pytest.TempPathFactory) -> Content:
    """Failures of the bundled checkpoint, for which the expert's successes were put in."""
    folder, panels = tmp_path_factory.mktemp("forged"), ["household/ood_layout"]
    run = play(folder / "run", "ckpt", panels, 3, mode="prompt", threads=1)
    content = Content.of(submit(folder / "own.jsonl.xz", run))
    expert = Content.of(
        submit(folder / "expert.jsonl.xz", play(folder / "expert", "expert", panels, 3))
    )
    usage = {"prompt_tokens": 700, "completion_tokens": 12}
    flipped = 0
    for n, line in enumerate(content.lines):
        if line["episode"]["status"] == "success":
            continue
        won = expert.episode(panels[0], "prompt", n)
        for step in won["steps"]:
            step["decision"]["usage"] |= usage
        total = {name: count * len(won["steps"]) for name, count in usage.items()}
        won["usage"] |= total
        won["fingerprint"] = line["episode"]["fingerprint"]
        line["episode"] = won
        flipped += 1
    assert flipped
    return content


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_failures_turned_into_successes(forged: Content, dtype: str, tmp_path: Path) -> None:
    """It replays without a finding, whatever precision it claims; no precision explains it."""
    forged.config["agent"]["dtype"] = dtype
    forged.redigest()
    submission = read_submission(forged.write(tmp_path / "forged.jsonl.xz"))
    assert verify(submission, workers=1).verified
    for seed in range(3):
        again = redecode(submission, "ckpt", 30, seed=seed, options={"threads": 1})
        assert not again.passed
        assert again.differences
        assert tier_of(again) == ("replayed", "")


def test_the_verifier_s_rule_is_not_the_file_s(decoded: Path) -> None:
    submission = read_submission(decoded)
    for options in ({"dtype": "bfloat16"}, {"device": "cuda"}):
        with pytest.raises(CoTGapError, match="in float32 on the CPU"):
            redecode(submission, "ckpt", 5, seed=0, options=options)


def test_an_honest_run_in_another_precision(tmp_path: Path) -> None:
    """Its replies are the same in float32, or part where two tokens are nearly as likely."""
    run = play(
        tmp_path / "run", "ckpt", ["household/id"], 2, max_steps=6, threads=1, dtype="bfloat16"
    )
    submission = read_submission(submit(tmp_path / "half.jsonl.xz", run))
    again = redecode(submission, "ckpt", 1_000, seed=0, options={"threads": 1})
    assert again.tolerance == 0.5
    assert again.passed, again.differences


def test_how_much_a_precision_explains(decoded: Path) -> None:
    submission = read_submission(decoded)
    sample, config = draw(submission, 30, seed=0), submission.runs[0].config

    def claimed(sampling: Sampling = config.sampling, **agent: str) -> float | None:
        return tolerance_of(replace(config, agent={**config.agent, **agent}, sampling=sampling))

    assert claimed() is None
    assert claimed(dtype="anything") is None
    assert claimed(dtype="bfloat16") == 0.5
    assert claimed(dtype="bfloat16", backend="openai") is None
    assert claimed(Sampling(1.0), dtype="bfloat16") is None
    other = Decision("prompt", None, None, "never said", "no_action")

    def outcome(near: int, shortfall: float | None, tolerance: float | None = 0.5) -> bool:
        replies = [
            Reply(each, other, shortfall) if n < near else Reply(each, each.said)
            for n, each in enumerate(sample.drawn)
        ]
        return judged(replies, sample, 0, tolerance).passed

    assert outcome(10, 0.4)
    assert not outcome(1, 0.6)
    assert not outcome(1, None)
    assert not outcome(1, 0.0, tolerance=None)
    assert not outcome(16, 0.4), "most replies must be the same"

"""Runs with a model behind a server, as a user drives them: budgets, failures, keys, mistakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from cotgap.benchmark.records.store import read_episodes
from cotgap.benchmark.rollout.budget import Budget, parse_prices
from cotgap.envs.core import CoTGapError
from tests.benchmark.test_run import cli, records
from tests.servers.faults import proxy

KEY = "hush-0123456789"
Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def play(tiny_checkpoint: Path, tmp_path: Path) -> Run:
    """Plays short toy games with the tiny model behind a URL, into `tmp_path / out`."""

    def play(url: str, *args: str, out: str = "run") -> CompletedProcess[str]:
        return cli(
            "run", "--agent", f"openai:{url}#{tiny_checkpoint}", "--tokenizer", tiny_checkpoint,
            "--panel", "toy/id", "--episodes", "2", "--max-steps", "2", "--action-tokens", "6",
            "--thought-tokens", "6", "--out", tmp_path / out, *args, OPENAI_API_KEY=KEY,
        )  # fmt: skip

    return play


def test_a_spent_budget_stops_a_run_that_goes_on_later(
    play: Run, served_tiny: str, tmp_path: Path
) -> None:
    whole = play(served_tiny, out="whole")
    assert whole.returncode == 0, whole.stderr
    used = sum(
        decision.usage.prompt_tokens + decision.usage.completion_tokens
        for episode in read_episodes(tmp_path / "whole")
        for step in episode.steps
        for decision in (step.decision, *step.shadows.values())
    )
    budget = ("--max-tokens-total", str(used * 3 // 4), "--batch-size", "1")
    stopped = play(served_tiny, *budget)
    assert stopped.returncode == 3, stopped.stderr
    assert "the budget is spent" in " ".join(stopped.stderr.split())
    assert "larger --max-tokens-total" in " ".join(stopped.stderr.split())
    kept = records(tmp_path / "run")
    assert 0 < len(kept) < 4
    again = play(served_tiny, "--max-tokens-total", "1", "--batch-size", "1")
    assert again.returncode == 3, again.stderr
    assert records(tmp_path / "run") == kept, "what is on disk counts"
    finished = play(served_tiny, "--max-cost", "5", "--price", "1,2")
    assert finished.returncode == 0, finished.stderr
    assert records(tmp_path / "run") == records(tmp_path / "whole")


def test_failed_requests_are_counted_and_played_again_and_keys_stay_secret(
    play: Run, served_tiny: str, tmp_path: Path
) -> None:
    with proxy(served_tiny, ["pass"] * 12 + ["400"]) as between:
        failed = play(between.url, "--json", "--batch-size", "1")
        assert failed.returncode == 3, failed.stderr
        statuses = json.loads(failed.stdout)["episodes"]
        assert statuses["backend_error"] >= 1
        errors = [item["error"] for item in json.loads(failed.stdout)["errors"]]
        assert all("HTTP 400 Bad Request: as planned" in error for error in errors)
        between.plan = iter(["pass"] * 1000)
        again = play(between.url)
    assert again.returncode == 0, again.stderr
    assert "episodes are already on disk" in again.stderr
    written = [file.read_text() for file in (tmp_path / "run").iterdir()]
    said = [failed.stdout, failed.stderr, again.stdout, again.stderr]
    assert not any(KEY in text for text in written + said)
    (config,) = {json.loads(text)["digest"] for text in written if text.startswith('{\n  "digest"')}
    assert len(config) == 64


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--agent", "openai:localhost:8000"], ["no server's address", "openai:http://HOST"]),
        (["--agent", "openai:http://127.0.0.1:9/v1#m"], ["no server answers", "vllm serve"]),
        (["--agent", "openai:http://127.0.0.1:9/v1", "--dtype", "float32"], ["has no dtype"]),
        (["--agent", "noisy", "--tokenizer", "x"], ["'noisy' has no tokenizer"]),
        (["--agent", "noisy", "--concurrency", "3"], ["'noisy' has no concurrency"]),
        (["--agent", "noisy", "--max-cost", "3"], ["--price IN,OUT"]),
        (["--agent", "noisy", "--max-cost", "3", "--price", "cheap"], ["--price 'cheap'"]),
        (["--agent", "noisy", "--max-cost", "-3", "--price", "1,2"], ["--max-cost -3"]),
        (["--agent", "noisy", "--max-tokens-total", "9"], ["does not say how many tokens"]),
    ],
)
def test_bad_usage_is_a_message(args: list[str], words: list[str], tmp_path: Path) -> None:
    done = cli("run", "--panel", "toy/id", "--episodes", "1", "--out", tmp_path / "run", *args)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr, f"{word!r} not in\n{done.stderr}"


def test_prices() -> None:
    assert parse_prices("0.15,0.6") == (0.15, 0.6)
    for text in ("", "1", "1,2,3", "-1,2", "nan,1", "inf,1"):
        with pytest.raises(CoTGapError, match="a million tokens"):
            parse_prices(text)


def test_a_budget_counts_money(decision_of: Callable[[int, int], Any]) -> None:
    budget = Budget(cost=1.0, prices=(2.0, 8.0))
    budget.add([decision_of(250_000, 50_000)])
    assert not budget.spent
    assert str(budget) == "250,000 tokens read and 50,000 written, which cost 0.9"
    budget.add([decision_of(0, 12_500)])
    assert budget.spent
    assert not Budget().spent


@pytest.fixture
def decision_of() -> Callable[[int, int], Any]:
    from cotgap.agents.core import Decision, Usage

    return lambda read, written: Decision("prompt", "a", None, "", usage=Usage(read, written))

"""The comparison of ways to decode: all give the same replies; what it prints is measured."""

from __future__ import annotations

import re
import subprocess
import sys


def run(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.decoding_speed", "--agent", "ckpt", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_all_ways_give_the_same_replies() -> None:
    done = run("--games", "1", "--steps", "3", "--thought-tokens", "24")
    assert done.returncode == 0, done.stderr
    same = dict(
        re.findall(r"^(\D+?) +[\d.]+ +[\d.]+ +[\d.]+×  (\d+ of \d+) replies", done.stdout, re.M)
    )
    assert same == dict.fromkeys(
        ("continuous batching", "left-padded batches", "a generate for each"), "9 of 9"
    )
    changed, total = re.search(r"(\d+) of the (\d+) tokens", done.stdout).groups()  # type: ignore[union-attr]
    assert 0 <= int(changed) < int(total)


def test_what_cannot_be_compared() -> None:
    done = run("--agent", "expert")
    assert done.returncode == 2
    assert done.stderr == "error: agent 'expert' has no threads; leave it out\n"
    done = run("--games", "1", "--steps", "1", "--server", "http://127.0.0.1:9/v1")
    assert done.returncode == 2
    assert "http://127.0.0.1:9/v1" in done.stderr
    assert "Traceback" not in done.stderr

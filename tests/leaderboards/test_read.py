"""Hostile files: each is refused with a message, in bounded time and memory, or is a submission."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import subprocess
import sys
import tempfile
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cotgap.envs.core import CoTGapError
from cotgap.leaderboards import archive, read
from cotgap.leaderboards.read import SubmissionError, read_submission
from cotgap.leaderboards.schema import Entrant, Submission
from tests.leaderboards.making import Content, mutate, text_of, write_text

ROOT = Path(__file__).parents[2]


def refused(path: Path, message: str) -> None:
    with pytest.raises(SubmissionError, match=message) as caught:
        read_submission(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.fixture
def good(honest: Path, tmp_path: Path) -> tuple[bytes, bytes, Path]:
    """The header and the episodes of an honest file, and where to write another."""
    header, _, episodes = text_of(honest).partition(b"\n")
    return header + b"\n", episodes, tmp_path / "hostile.jsonl.xz"


def test_what_was_written_is_read(honest: Path) -> None:
    submission = read_submission(honest)
    assert submission.entrant == Entrant("Tester", owner="tester")
    (run,) = submission.runs
    assert [plan.name for plan in run.config.panels] == ["toy/id", "household/id"]
    assert len(run.episodes) == 12
    assert run.config.digest == run.digest


def test_reading_imports_no_model_and_no_extra() -> None:
    heavy = ("torch", "transformers", "textworld", "alfworld", "scienceworld", "bfcl_eval", "py4j")
    code = (
        f"import cotgap.leaderboards.entries, sys; print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "[]", done.stderr


# The file and its stream.


def test_no_file(tmp_path: Path) -> None:
    refused(tmp_path / "none.jsonl.xz", "cannot be read")
    refused(tmp_path, "not an ordinary file")


def test_a_symlink(honest: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.jsonl.xz"
    link.symlink_to(honest)
    refused(link, "not an ordinary file")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl.xz")
    refused(tmp_path / "pipe.jsonl.xz", "not an ordinary file")


def test_too_large_a_file(tmp_path: Path) -> None:
    path = tmp_path / "large.jsonl.xz"
    with path.open("wb") as file:
        file.truncate(archive.MAX_FILE + 1)
    refused(path, "95,000,001 bytes, where 95,000,000 are allowed")


@pytest.mark.parametrize("data", [b"", b"PK", b"hello" * 20, b"PK\5\6" + bytes(18)])
def test_no_stream(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl.xz"
    path.write_bytes(data)
    refused(path, "no submission")


def test_nothing_in_a_stream(tmp_path: Path) -> None:
    refused(write_text(tmp_path / "x.jsonl.xz"), "no submission: empty")


def test_a_submission_in_a_submission(honest: Path, tmp_path: Path) -> None:
    path = write_text(tmp_path / "x.jsonl.xz", honest.read_bytes(), b"\n")
    refused(path, "line 1: not UTF-8")


@pytest.mark.parametrize(
    "compress", [bytes, gzip.compress, bz2.compress, lambda data: lzma.compress(data, 2)]
)
def test_other_compression(
    compress: Callable[[bytes], bytes], honest: Path, tmp_path: Path
) -> None:
    path = tmp_path / "x.jsonl.xz"
    path.write_bytes(compress(text_of(honest)))
    refused(path, "not an xz stream")


def test_something_before_or_behind(honest: Path, tmp_path: Path) -> None:
    """Another stream and padding are xz, too, but not what `submit` writes."""
    path, data = tmp_path / "x.jsonl.xz", honest.read_bytes()
    for more in (b"more", bytes(4), data):
        path.write_bytes(data + more)
        refused(path, "something follows")
    path.write_bytes(b"MZ" + data)
    refused(path, "not an xz stream")


@pytest.mark.parametrize("left", [1, 11, 12, 200])
def test_a_stream_that_is_cut_short(left: int, honest: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl.xz"
    path.write_bytes(honest.read_bytes()[:-left])
    refused(path, "cut short|damaged")


def test_a_stream_that_asks_for_memory(honest: Path, tmp_path: Path) -> None:
    """4 GiB of dictionary in a byte of the block's header."""
    data = bytearray(honest.read_bytes())
    end = 12 + 4 * data[12]  # of the header, whose checksum follows
    place = data.index(b"\x21\x01", 12) + 2
    assert place < end
    data[place] = 40
    data[end : end + 4] = zlib.crc32(data[12:end]).to_bytes(4, "little")
    path = tmp_path / "x.jsonl.xz"
    path.write_bytes(bytes(data))
    refused(path, "[Mm]emory usage limit")


def _memory(path: Path) -> int:
    """The most bytes that Python holds while it refuses a file."""
    tracemalloc.start()
    try:
        with pytest.raises(SubmissionError):
            read_submission(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_bomb_of_one_line(good: tuple[bytes, bytes, Path]) -> None:
    """60 MB of one character in 9 kB; it is given up at the longest line's length."""
    header, _, path = good
    write_text(path, header, b"x" * 60_000_000)
    assert path.stat().st_size < 100_000
    refused(path, "line 2: more than the 8,388,608 bytes allowed")
    assert _memory(path) < 100_000_000


def test_a_bomb_of_lines(good: tuple[bytes, bytes, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    header, episodes, path = good
    monkeypatch.setattr(archive, "MAX_CONTENT", len(header) + len(episodes) - 1)
    refused(write_text(path, header, episodes), "holds more than the .* bytes allowed")


def test_a_bomb_of_short_lines(
    good: tuple[bytes, bytes, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    header, episodes, path = good
    monkeypatch.setattr(read, "MAX_EPISODES", 20)
    refused(write_text(path, header, episodes * 2), "line 22: more than 20 episodes")


def test_a_large_header(good: tuple[bytes, bytes, Path]) -> None:
    header, episodes, path = good
    write_text(path, b" " * archive.MAX_LINE, header, episodes)
    refused(path, "line 1: more than the 8,388,608 bytes allowed")


def test_damaged_streams(honest: Path, tmp_path: Path) -> None:
    data = honest.read_bytes()
    path = tmp_path / "x.jsonl.xz"
    at = len(data) // 2
    path.write_bytes(data[:at] + bytes(20) + data[at + 20 :])
    refused(path, "damaged|line ")


# The text.


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"run": 0, "run": 0}', "the key 'run' occurs twice"),
        ('{"run": 0, "r\\u0075n": 0}', "the key 'run' occurs twice"),
        ("[" * 100_000, "nested too deep"),
        ('{"a":' * 100_000, "nested too deep"),
        ('{"run": NaN}', "NaN is no number"),
        ('{"run": -Infinity}', "-Infinity is no number"),
        ('{"run": 1e999}', "too large"),
        ('{"run": 1' + "0" * 5_000 + "}", "a number of 5001 digits"),
        ('{"run": "\\ud800"}', "should be a valid integer"),
        (b'{"run": "\xff"}', "not UTF-8"),
        (b'{"run": "\xc0\xaf"}', "not UTF-8"),  # an overlong slash
        (b'\xef\xbb\xbf{"run": 0}', "not JSON"),
        ("", "not JSON"),
        ("null", "None should be an object"),
        ("[]", "a list of 0 should be an object"),
        ("{}", "lacks the field 'run'"),
        ('{"run": 0} {"run": 0}', "not JSON"),
        ('{"run": 0, "episode": {}}', "episode: lacks the field 'task_key'"),
        ('{"run": true, "episode": {}}', "run: True should be a valid integer"),
        ('{"run": 0.0, "episode": {}}', "run: 0.0 should be a valid integer"),
        ('{"run": -1, "episode": {}}', "run: -1 should be greater than or equal to 0"),
    ],
)
def test_lines(text: str | bytes, message: str, good: tuple[bytes, bytes, Path]) -> None:
    header, episodes, path = good
    first = episodes.partition(b"\n")[0] + b"\n"
    refused(write_text(path, header, first, text, "\n"), f"line 3: .*{message}")


@pytest.mark.parametrize("place", ["steps", "fields"])
def test_many_errors_are_one(place: str, good: tuple[bytes, bytes, Path]) -> None:
    header, episodes, path = good
    line = json.loads(episodes.partition(b"\n")[0])
    if place == "steps":
        line["episode"]["steps"] = [1] * 100_000
    else:
        line["episode"] |= {f"x{number}": 1 for number in range(50_000)}
    write_text(path, header, json.dumps(line), "\n")
    refused(path, r"line 2: .*(steps\[0\]: 1 should be an object$|an object of 50017 fields)")
    assert _memory(path) < 20_000_000


def test_a_torn_last_line(good: tuple[bytes, bytes, Path]) -> None:
    header, episodes, path = good
    refused(write_text(path, header, episodes[:-1]), "line 13: its end is missing")


# Anything at all.

SLOW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _outcome(path: Path) -> None:
    """Reading it raises nothing but what names the file."""
    try:
        found = read_submission(path)
    except CoTGapError as error:
        message = str(error)
    else:
        assert isinstance(found, Submission)
        return
    assert message.startswith(f"{path}: ")


@SLOW
@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.jsonl.xz"
        path.write_bytes(data)
        _outcome(path)


@SLOW
@given(data=st.data())
def test_any_damage_to_a_file(data: st.DataObject, honest: Path) -> None:
    content = bytearray(honest.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, 40)) if data.draw(st.booleans()) else 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.jsonl.xz"
        path.write_bytes(bytes(content[: len(content) - cut]))
        _outcome(path)


@SLOW
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_lines(header: bytes, episodes: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _outcome(write_text(Path(folder) / "x.jsonl.xz", header, b"\n", episodes, b"\n"))


@SLOW
@given(data=st.data())
def test_any_value_anywhere(data: st.DataObject, honest: Path) -> None:
    content = Content.of(honest)
    del content.lines[3:]
    mutate(content, data)
    with tempfile.TemporaryDirectory() as folder:
        _outcome(content.write(Path(folder) / "x.jsonl.xz"))

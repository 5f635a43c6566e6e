"""Hostile files: each is refused with a message, in bounded time and memory, or is a submission."""

from __future__ import annotations

import dataclasses
import os
import struct
import subprocess
import sys
import tempfile
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cotgap.agents.core import Decision, Tags, Usage
from cotgap.benchmark.records.config import Limits, PanelPlan, RunConfig, Sampling
from cotgap.benchmark.records.episode import Episode, StepRecord
from cotgap.envs.core import CoTGapError
from cotgap.leaderboards import form
from cotgap.leaderboards.reading import SubmissionError, read_submission
from cotgap.leaderboards.submission import Entrant, Receipt, Submission
from tests.leaderboards.making import (
    Content,
    declared,
    mutate,
    patched,
    write_members,
    write_zip,
)

ROOT = Path(__file__).parents[2]


def refused(path: Path, message: str) -> None:
    with pytest.raises(SubmissionError, match=message) as caught:
        read_submission(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.fixture
def good(honest: Path, tmp_path: Path) -> tuple[str, str, Path]:
    """The members of an honest file, and where to write another."""
    with zipfile.ZipFile(honest) as archive:
        texts = [archive.read(name).decode() for name in form.MEMBERS]
    return texts[0], texts[1], tmp_path / "hostile.zip"


def test_what_was_written_is_read(honest: Path) -> None:
    submission = read_submission(honest)
    assert submission.entrant == Entrant("Tester")
    (run,) = submission.runs
    assert [plan.name for plan in run.plans] == ["toy/id", "household/id"]
    assert len(run.episodes) == 12
    assert RunConfig.from_json(run.config).digest == run.digest


@pytest.mark.parametrize(
    ("checks", "record"),
    [
        (form.EPISODE_FIELDS, Episode),
        (form.STEP_FIELDS, StepRecord),
        (form.DECISION_FIELDS, Decision),
        (form.USAGE_FIELDS, Usage),
        (form.CONFIG_FIELDS, RunConfig),
        (form.ENTRANT_FIELDS, Entrant),
        (form.RECEIPT_FIELDS, Receipt),
        (dict.fromkeys(("name", "lock", "step_limit", "size", "tasks")), PanelPlan),
        (dict.fromkeys(("temperature", "top_p")), Sampling),
        (dict.fromkeys(("action_tokens", "thought_tokens", "timeout")), Limits),
        (dict.fromkeys(("think_open", "think_close", "action_open", "action_close")), Tags),
    ],
)
def test_the_form_has_the_fields_of_the_records(checks: dict[str, Any], record: type) -> None:
    assert set(checks) == {field.name for field in dataclasses.fields(record)}


def test_reading_imports_no_model_and_no_extra() -> None:
    heavy = ("torch", "transformers", "textworld", "alfworld", "scienceworld", "bfcl_eval", "py4j")
    code = (
        f"import cotgap.leaderboards.entries, sys; print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "[]", done.stderr


# The file and the zip's structure.


def test_no_file(tmp_path: Path) -> None:
    refused(tmp_path / "none.zip", "cannot be read")
    refused(tmp_path, "not an ordinary file")


def test_a_symlink(honest: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.zip"
    link.symlink_to(honest)
    refused(link, "not an ordinary file")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.zip")
    refused(tmp_path / "pipe.zip", "not an ordinary file")


def test_too_large_a_file(tmp_path: Path) -> None:
    path = tmp_path / "large.zip"
    with path.open("wb") as file:
        file.truncate(form.MAX_FILE + 1)
    refused(path, "95,000,001 bytes, where 95,000,000 are allowed")


@pytest.mark.parametrize("data", [b"", b"PK", b"hello" * 20, b"PK\5\6" + bytes(18)])
def test_no_zip(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(data)
    refused(path, "no submission|members")


@pytest.mark.parametrize(
    "names",
    [
        ("manifest.json",),
        ("episodes.jsonl", "manifest.json"),
        ("manifest.json", "manifest.json"),
        ("manifest.json", "../episodes.jsonl"),
        ("manifest.json", "/etc/episodes.jsonl"),
        ("a/manifest.json", "a/episodes.jsonl"),
        ("manifest.json", "Episodes.jsonl"),
        ("manifest.json", "episodes\u2024jsonl"),
        ("manifest.json", "episodes.jsonl", "more.txt"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_other_members(names: tuple[str, ...], good: tuple[str, str, Path]) -> None:
    manifest, episodes, path = good
    contents = [manifest, episodes, ""][: len(names)]
    write_members(path, list(zip(names, contents, strict=True)))
    refused(path, "members, where|holds ")


def test_a_name_that_goes_on_behind_a_null(good: tuple[str, str, Path]) -> None:
    manifest, episodes, path = good
    write_members(path, [("manifest.json", manifest), ("episodes.jsonl_.exe", episodes)])
    refused(patched(path, b"episodes.jsonl_", b"episodes.jsonl\0"), "holds ")


def test_a_submission_in_a_submission(honest: Path, tmp_path: Path) -> None:
    data = honest.read_bytes()
    path = write_members(tmp_path / "x.zip", [(name, data) for name in form.MEMBERS])
    refused(path, "not UTF-8")


def test_a_link_as_a_member(good: tuple[str, str, Path]) -> None:
    manifest, _, path = good
    members = [("manifest.json", manifest), ("episodes.jsonl", "/etc/passwd")]
    refused(write_members(path, members, mode=0o120777), "is a link or a folder")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_other_compression(method: int, good: tuple[str, str, Path]) -> None:
    manifest, episodes, path = good
    members = [("manifest.json", manifest), ("episodes.jsonl", episodes)]
    refused(write_members(path, members, method), "not compressed as `submit` does it")


def test_encrypted(honest: Path, tmp_path: Path) -> None:
    data = bytearray(honest.read_bytes())
    for mark, place in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        at = data.index(mark) + place
        data[at] |= 1
    path = tmp_path / "x.zip"
    path.write_bytes(bytes(data))
    refused(path, "manifest.json is encrypted")


def test_something_before_or_behind(honest: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(honest.read_bytes() + b"more")
    refused(path, "something follows")
    path.write_bytes(b"MZ" + honest.read_bytes())
    refused(path, "the zip's directory takes")


def test_a_huge_directory_is_not_read(good: tuple[str, str, Path]) -> None:
    """A million entries would take a gigabyte before the first name is looked at."""
    manifest, episodes, path = good
    write_zip(path, manifest, episodes)
    data = path.read_bytes()
    start = data.index(b"PK\1\2")
    entry = data[start : data.index(b"PK\1\2", start + 4)]
    directory = entry * 200_000
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2, 2, len(directory), start, 0)
    path.write_bytes(data[:start] + directory + end)
    assert _memory(path) < 2_000_000


def test_zip64(honest: Path, tmp_path: Path) -> None:
    """Its record would name another directory, anywhere in the file."""
    data = honest.read_bytes()
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, 0, 1)
    fields = list(struct.unpack("<4s4H2LH", data[-22:]))
    fields[5] += len(locator)
    path = tmp_path / "x.zip"
    path.write_bytes(data[:-22] + locator + struct.pack("<4s4H2LH", *fields))
    refused(path, "zip64")


def test_a_stream_that_asks_for_memory(honest: Path, tmp_path: Path) -> None:
    """4 GiB of dictionary in five bytes."""
    path = tmp_path / "x.zip"
    path.write_bytes(honest.read_bytes())
    patched(path, b"\x5d\x00\x00\x80\x00", b"\x5d\xff\xff\xff\xff", 1)
    refused(path, "a dictionary of 4,294,967,295 bytes")


def _memory(path: Path) -> int:
    """The most bytes that Python holds while it refuses a file."""
    tracemalloc.start()
    try:
        with pytest.raises(SubmissionError):
            read_submission(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_bomb_that_says_what_it_is(good: tuple[str, str, Path]) -> None:
    manifest, _, path = good
    write_zip(path, manifest, "")
    refused(declared(path, form.MAX_EPISODES_SIZE + 1), "episodes.jsonl: 536,870,913 bytes")


def test_a_bomb_of_one_line(good: tuple[str, str, Path]) -> None:
    """60 MB of one character in 9 kB; it is given up at the longest line's length."""
    manifest, _, path = good
    write_zip(path, manifest, b"x" * 60_000_000)
    assert path.stat().st_size < 100_000
    refused(path, "episodes.jsonl line 1: more than the 8,388,608 bytes allowed")
    assert _memory(path) < 100_000_000


def test_a_bomb_that_says_it_is_small(good: tuple[str, str, Path]) -> None:
    manifest, _, path = good
    write_zip(path, manifest, b"x" * 30_000_000)
    refused(declared(path, 1_000), "damaged|its end is missing")


def test_a_bomb_of_short_lines(
    good: tuple[str, str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, episodes, path = good
    monkeypatch.setattr(form, "MAX_EPISODES", 20)
    refused(write_zip(path, manifest, episodes * 2), "line 21: more than 20 episodes")


def test_a_large_manifest(good: tuple[str, str, Path]) -> None:
    manifest, episodes, path = good
    write_zip(path, manifest + " " * form.MAX_MANIFEST, episodes)
    refused(path, "manifest.json: .* bytes, where 8,388,608 are allowed")


def test_damaged_streams(honest: Path, tmp_path: Path) -> None:
    data = honest.read_bytes()
    path = tmp_path / "x.zip"
    at = data.rindex(b"PK\1\2") - 60  # in the last stream
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
        ('{"run": "\\ud800"}', "not UTF-8"),
        (b'{"run": "\xff"}', "not UTF-8"),
        (b'{"run": "\xc0\xaf"}', "not UTF-8"),  # an overlong slash
        (b'\xef\xbb\xbf{"run": 0}', "not JSON"),
        ("", "not JSON"),
        ("null", "None is no object"),
        ("[]", "a list of 0 is no object"),
        ("{}", "lacks the field 'run'"),
        ('{"run": 0} {"run": 0}', "not JSON"),
        ('{"run": 0, "episode": {}}', "episode: lacks the field 'task_key'"),
        ('{"run": true, "episode": {}}', "run: True is no whole number"),
        ('{"run": 0.0, "episode": {}}', "run: 0.0 is no whole number"),
        ('{"run": -1, "episode": {}}', "run: -1 is not from 0"),
    ],
)
def test_lines(text: str | bytes, message: str, good: tuple[str, str, Path]) -> None:
    manifest, episodes, path = good
    first = episodes.partition("\n")[0].encode() + b"\n"
    data = text.encode() if isinstance(text, str) else text
    refused(write_zip(path, manifest, first + data + b"\n"), f"episodes.jsonl line 2: .*{message}")


def test_a_torn_last_line(good: tuple[str, str, Path]) -> None:
    manifest, episodes, path = good
    refused(write_zip(path, manifest, episodes[:-1]), "line 12: its end is missing")


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
        path = Path(folder) / "x.zip"
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
        path = Path(folder) / "x.zip"
        path.write_bytes(bytes(content[: len(content) - cut]))
        _outcome(path)


@SLOW
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_members(manifest: bytes, episodes: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _outcome(write_zip(Path(folder) / "x.zip", manifest, episodes))


@SLOW
@given(data=st.data())
def test_any_value_anywhere(data: st.DataObject, honest: Path) -> None:
    content = Content.of(honest)
    del content.lines[3:]
    mutate(content, data)
    with tempfile.TemporaryDirectory() as folder:
        _outcome(content.write(Path(folder) / "x.zip"))

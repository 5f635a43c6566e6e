"""What `submit` packs, what it refuses, and what it says."""

from __future__ import annotations

import json
import lzma
import shutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from cotgap.agents.checkpoints import bundled_path
from cotgap.agents.fingerprint import fingerprint
from cotgap.benchmark.domain import relate
from cotgap.benchmark.records.store import EPISODES, RUN
from cotgap.envs.core import CoTGapError
from cotgap.envs.registry import get_panel
from cotgap.leaderboards.cards import card_of, make_entrant, read_card
from cotgap.leaderboards.commands.submit import slug_of
from cotgap.leaderboards.hardware import machine
from cotgap.leaderboards.pack import load_runs, write_submission
from cotgap.leaderboards.read import read_submission
from cotgap.leaderboards.schema import Circumstances, Entrant
from tests.leaderboards.making import HARDWARE, Content, play, submit

NONE = dict.fromkeys(("name", "organisation", "url", "description"))


@pytest.fixture
def run(noisy_run: Path, tmp_path: Path) -> Path:
    """A run's folder, to be changed."""
    return shutil.copytree(noisy_run, tmp_path / "run")


def rewritten(folder: Path, change: Any) -> None:
    """Change the records of a run, each a JSON object."""
    lines = (folder / EPISODES).read_text(encoding="utf-8").splitlines()
    records = change([json.loads(line) for line in lines])
    text = "".join(json.dumps(record) + "\n" for record in records)
    (folder / EPISODES).write_text(text, encoding="utf-8")


def test_the_same_run_gives_the_same_bytes(run: Path, honest: Path, tmp_path: Path) -> None:
    rewritten(run, lambda records: records[::-1])  # episodes end in no particular order
    assert submit(tmp_path / "again.jsonl.xz", run).read_bytes() == honest.read_bytes()


def test_the_file_is_one_xz_stream_of_lines(honest: Path) -> None:
    stream = lzma.LZMADecompressor(lzma.FORMAT_XZ)
    header, *episodes = stream.decompress(honest.read_bytes()).splitlines()
    assert (stream.eof, stream.unused_data) == (True, b"")
    assert set(json.loads(header)) == {"schema", "entrant", "runs"}
    assert [set(json.loads(line)) for line in episodes] == [{"run", "episode"}] * 12


def test_everything_that_was_recorded_is_there(run: Path, honest: Path) -> None:
    content = Content.of(honest)
    recorded = json.loads((run / RUN).read_text(encoding="utf-8"))
    assert content.header["runs"][0] == {
        "digest": recorded["digest"],
        "config": recorded["config"],
        "versions": recorded["versions"],
        "hardware": HARDWARE,
    }
    lines = (run / EPISODES).read_text(encoding="utf-8").splitlines()
    recorded = {record["task_key"] + record["mode"]: record for record in map(json.loads, lines)}
    packed = {e["task_key"] + e["mode"]: e for e in (line["episode"] for line in content.lines)}
    assert packed == recorded


def test_an_unfinished_run_is_refused(run: Path) -> None:
    rewritten(run, lambda records: [r for r in records if "household" not in r["task_key"]])
    with pytest.raises(CoTGapError) as caught:
        load_runs([run], HARDWARE)
    message = str(caught.value)
    assert "6 episodes have no score" in message
    assert "household/id, mode prompt: 3 not played" in message
    assert "household/id, mode cot: 3 not played" in message
    assert "and 1 more" in message
    assert "Run the command that wrote" in message


def test_an_unscored_episode_is_refused(run: Path) -> None:
    def fail(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        records[0] |= {"status": "timeout", "score": None, "error": "too long"}
        return records

    rewritten(run, fail)
    with pytest.raises(CoTGapError, match=r"1 episodes have no score\.\n.*: 1 timeout"):
        load_runs([run], HARDWARE)


def test_a_changed_configuration_is_refused(run: Path) -> None:
    content = json.loads((run / RUN).read_text(encoding="utf-8"))
    content["config"]["seed"] = 7
    (run / RUN).write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(CoTGapError, match=r"its run\.json was changed after the run"):
        load_runs([run], HARDWARE)


def test_two_agents_are_refused(run: Path, tmp_path: Path) -> None:
    other = play(tmp_path / "other", "expert", ["toy/id"], 2)
    with pytest.raises(CoTGapError, match=r"of one agent, but .*other has the name 'expert'"):
        load_runs([run, other], HARDWARE)


def test_the_same_run_twice_is_refused(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "twice.jsonl.xz"
    with pytest.raises(CoTGapError, match="holds a run twice"):
        submit(path, run, run)
    assert not path.exists()
    assert not list(tmp_path.glob("*.tmp"))


def test_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CoTGapError, match="is not a run folder"):
        load_runs([tmp_path], HARDWARE)


def test_several_runs_of_one_agent(run: Path, tmp_path: Path) -> None:
    other = play(
        tmp_path / "other", "noisy:prompt=0.5,cot=0.3", ["toy/id"], 2, protocol="tags-1+admissible"
    )
    submission = read_submission(submit(tmp_path / "two.jsonl.xz", run, other))
    assert [len(each.episodes) for each in submission.runs] == [12, 4]
    assert [each.config.protocol for each in submission.runs] == ["tags-1", "tags-1+admissible"]


# Cards.


def test_a_card_in_yaml(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text(
        "name: Mein Agent\norganisation: Group\nurl: https://example.org/a?b=1\n"
        "trained_on: [household/train]\nmotto: none\n",
        encoding="utf-8",
    )
    entrant, left_out = make_entrant(read_card(path), {**NONE, "organisation": "We"}, "agent")
    assert (entrant.name, entrant.organisation) == ("Mein Agent", "We")
    assert left_out == ["motto"]
    assert entrant.card is not None
    assert relate(entrant.card, get_panel("household/id")).in_domain
    assert relate(entrant.card, get_panel("household/ood_task")).ood
    assert relate(entrant.card, get_panel("alfworld/valid_seen")).axes == ("suite",)


@pytest.mark.parametrize("name", ["tiny", "smollm2-household"])
def test_a_bundled_checkpoint_brings_its_card(name: str) -> None:
    folder = bundled_path(name)
    card = card_of(None, fingerprint(folder))
    if not (folder / "adapter_config.json").exists():
        assert card is not None
    entrant, left_out = make_entrant(read_card(folder), NONE, "ckpt")
    assert entrant.card is not None
    assert "loss_curve" in left_out
    assert relate(entrant.card, get_panel("household/id")).in_domain


def test_no_card(tmp_path: Path) -> None:
    assert card_of(None, "0" * 64) is None
    assert make_entrant(None, NONE, "agent") == (Entrant("agent"), [])


def test_another_checkpoints_card_is_refused() -> None:
    with pytest.raises(CoTGapError, match="not the one that played"):
        card_of(bundled_path("tiny"), "0" * 64)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n- b\n", "not a list of fields"),
        ("on: true\n2024: note\n", "not a list of fields with names"),
        ("a: [", "agent.yaml"),
        ("!!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("name: [1]\n", r"entrant's name: a list of 1 should be a valid string"),
        ("name: ''\n", "entrant's name: empty"),
        ("trained_on: [household/trian]\n", "Did you mean 'train'"),
        ("trained_on: [{suite: household}]\n", r"card.trained_on\[0\]: lacks the field 'panel'"),
        ("url: ftp://example.org\n", "entrant's url"),
    ],
)
def test_bad_cards(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CoTGapError, match=message):
        make_entrant(read_card(path), NONE, "agent")


def test_a_missing_card(tmp_path: Path) -> None:
    with pytest.raises(CoTGapError, match=r"--card .*none\.yaml: cannot be read"):
        read_card(tmp_path / "none.yaml")


def test_the_machine_is_described() -> None:
    found = machine()
    assert found["cores"].isdecimal()
    TypeAdapter(Circumstances).validate_python(found, context=True)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("My Agent 2", "my-agent-2"),
        ("noisy:prompt=0.4", "noisy-prompt-0-4"),
        ("日本", "submission"),
        ("a" * 70, "a" * 64),
    ],
)
def test_slugs(name: str, slug: str) -> None:
    assert slug_of(name) == slug


def test_a_card_without_a_bottom(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    path.write_text('{"a":' * 100_000)
    with pytest.raises(CoTGapError, match="nested too deep"):
        read_card(path)


@pytest.mark.parametrize("place", ["file/x.jsonl.xz", "x" * 300 + ".jsonl.xz"])
def test_where_nothing_can_be_written(place: str, honest: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CoTGapError, match="cannot write"):
        write_submission(tmp_path / place, read_submission(honest))

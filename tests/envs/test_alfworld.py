"""The alfworld suite: its data, its panels, its single games."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
import zipfile
from pathlib import Path
from unittest import mock

import gymnasium
import pytest

from cotgap import envs
from cotgap.envs.alfworld.data import GAME_FILE, LAYOUT, SPLITS, game_path
from cotgap.envs.alfworld.suite import HELD_OUT, SUITE
from cotgap.envs.core import CoTGapError, TaskUnavailableError
from tests.commands import Done, cotgap

TASK = SUITE.panels["valid_seen"].tasks[0].id


@pytest.fixture
def real(alfworld_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ALFWORLD_DATA", str(alfworld_data))
    return alfworld_data


@pytest.fixture
def own(alfworld_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with one real game, to be tampered with."""
    source = alfworld_data / LAYOUT / "valid_seen" / TASK / GAME_FILE
    monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path))
    target = game_path("valid_seen", TASK)
    target.parent.mkdir(parents=True)
    shutil.copy(source, target)
    return target


def prepare(source: Path | str, data: Path) -> Done:
    """`cotgap games prepare SOURCE` into a data folder, without the help of other programs."""
    with mock.patch.dict(os.environ, ALFWORLD_DATA=str(data), PATH=""):
        done = cotgap("games", "prepare", source, columns=200)
    assert "warning" not in done.stderr
    return done


def test_panels_are_the_official_ones() -> None:
    sizes = {split: len(SUITE.panels[split]) for split in SPLITS}
    assert sizes == {"train": 3553, "valid_seen": 140, "valid_unseen": 134}
    for split in SPLITS:
        kinds = [p for name, p in SUITE.panels.items() if name.startswith(f"{split}:")]
        assert len(kinds) == 6
        assert sum(map(len, kinds)) == sizes[split]
    held_out = {t.id for t in SUITE.panels["valid_seen"].tasks if t.kind in HELD_OUT}
    assert {t.id for t in SUITE.panels["paper_ood"].tasks} == held_out
    assert len(SUITE.panels["paper_id"]) + len(held_out) == 140
    assert not {t.kind for t in SUITE.panels["paper_train"].tasks} & set(HELD_OUT)


def test_a_prefix_of_a_panel_mixes_task_types() -> None:
    for split in SPLITS:
        assert len({task.kind for task in SUITE.panels[split].tasks[:20]}) == 6


def test_wordings_are_panels_of_their_own(real: Path) -> None:
    locks, verbs = set(), {}
    for name in ("valid_seen", "valid_seen@older", "valid_seen@package"):
        env = SUITE.make(SUITE.panels[name])
        env.reset(options={"task": TASK})
        env.step(next(a for a in env.admissible_actions() if a.startswith("go to")))
        locks.add(env.panel.lock)
        verbs[name] = env.panel.instructions
    assert len(locks) == 3
    assert "put OBJECT in/on RECEPTACLE" in verbs["valid_seen@older"]
    assert "move OBJECT to RECEPTACLE" in verbs["valid_seen"]


def test_older_files_are_played_in_the_panels_wording(
    real: Path, alfworld_older_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same panel, the same lock, the same texts, whatever release the files are of."""
    texts = []
    for folder in (real, alfworld_older_data):
        monkeypatch.setenv("ALFWORLD_DATA", str(folder))
        env = envs.make(SUITE.panels["valid_seen"].key(TASK))
        observation, info = env.reset()
        texts.append([observation, info, *(env.step(a) for a in info["admissible_actions"])])
    assert texts[0] == texts[1]


def test_a_single_file_can_be_played(own: Path) -> None:
    for wording, verb in (("file", "move "), ("older", "put ")):
        env = gymnasium.make("cotgap/ALFWorld-v0", game=own, wording=wording)
        observation, info = env.reset(seed=0)
        assert "Your task is to" in observation
        walkthrough = json.loads(own.read_text())["walkthrough"]
        if wording == "file":
            for command in walkthrough:
                *_, info = env.step(command)
            assert info["won"]
        assert verb in env.unwrapped.panel.instructions


def test_missing_and_changed_games_are_named(own: Path) -> None:
    env = SUITE.make(SUITE.panels["valid_seen"])
    env.reset(options={"task": TASK})
    missing = SUITE.panels["valid_seen"].tasks[1].id
    with pytest.raises(TaskUnavailableError, match=missing):
        env.reset(options={"task": missing})
    data = json.loads(own.read_text())
    data["pddl_problem"] = data["pddl_problem"].replace("(:goal", "(:goal ", 1)
    own.write_text(json.dumps(data))
    with pytest.raises(TaskUnavailableError, match="not the game that the panel's lock names"):
        env.reset(options={"task": TASK})
    own.write_text(own.read_text()[:5000])
    with pytest.raises(TaskUnavailableError, match="truncated"):
        env.reset(options={"task": TASK})
    problems = [finding for finding in SUITE.diagnose() if finding.level == "problem"]
    assert len(problems) == 1
    assert TASK in problems[0].text


def test_wording_belongs_to_single_games(real: Path) -> None:
    with pytest.raises(CoTGapError, match="valid_seen@older"):
        SUITE.make(SUITE.panels["valid_seen"], wording="older")


@pytest.mark.parametrize("kind", ["tar.xz", "zip", "folder"])
def test_prepare_takes_archives_and_folders(own: Path, tmp_path: Path, kind: str) -> None:
    games = tmp_path / LAYOUT
    source = tmp_path / f"games.{kind}"
    if kind == "folder":
        source = games
    elif kind == "zip":
        with zipfile.ZipFile(source, "w") as archive:
            archive.write(own, f"anywhere/{own.relative_to(tmp_path)}")
    else:
        with tarfile.open(source, "w:xz") as archive:
            archive.add(games, LAYOUT)
    target = tmp_path / "data"
    done = prepare(source, target)
    assert done.exit_code == 0, done.stderr
    copied = target / own.relative_to(tmp_path)
    assert copied.read_bytes() == own.read_bytes()
    assert "1 of 140 games" in done.stdout
    assert "139 missing" in done.stdout


def test_prepare_takes_nothing_but_games(own: Path, tmp_path: Path) -> None:
    source = tmp_path / "hostile.tar"
    with tarfile.open(source, "w") as archive:
        for name in (
            "../../evil",
            f"x/../valid_seen/../../{GAME_FILE}",
            f"train/../x/{GAME_FILE}",
            "/valid_seen/a/b/evil",
        ):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
        link = tarfile.TarInfo(f"valid_seen/link/link/{GAME_FILE}")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    target = tmp_path / "data"
    done = prepare(source, target)
    assert done.exit_code == 2
    assert "holds no games" in done.stderr
    assert not target.exists()
    (tmp_path / "broken.tar").write_bytes(b"not an archive")
    assert "not a readable folder, tar or zip" in prepare(tmp_path / "broken.tar", target).stderr
    assert "no such file" in prepare(tmp_path / "nothing", target).stderr


def spoilt(archive: Path, kind: str) -> Path:
    """The same archive with a stretch of its data overwritten."""
    data = bytearray(archive.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 64] = bytes(64)
    path = archive.with_name(f"spoilt.{kind}")
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("kind", ["tar.xz", "tar.gz", "tar.bz2", "zip"])
def test_prepare_from_a_damaged_archive(own: Path, tmp_path: Path, kind: str) -> None:
    archive = tmp_path / f"games.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.write(own, own.relative_to(tmp_path))
    else:
        with tarfile.open(archive, f"w:{kind[4:]}") as packed:  # type: ignore[call-overload]
            packed.add(own, own.relative_to(tmp_path))
    good = own.read_bytes()
    cut = tmp_path / f"cut.{kind}"
    cut.write_bytes(archive.read_bytes()[:-500])
    for source in (spoilt(archive, kind), cut):
        done = prepare(source, tmp_path)
        assert done.exit_code == 2
        # gzip's checksum comes last: there the game itself is found to be spoilt.
        assert "is damaged" in done.stderr or "not copied" in done.stdout
        assert "Traceback" not in done.stderr
        assert own.read_bytes() == good
        assert list(own.parent.iterdir()) == [own]


def test_prepare_leaves_good_games_alone(own: Path, tmp_path: Path) -> None:
    good = own.read_bytes()
    source = tmp_path / "cut" / "valid_seen"
    cut = source / TASK / GAME_FILE
    cut.parent.mkdir(parents=True)
    cut.write_bytes(good[:5000])
    done = prepare(source, tmp_path)
    assert done.exit_code == 2
    assert f"not copied: valid_seen/{TASK}" in " ".join(done.stdout.split())
    assert "1 of 140 games" in done.stdout
    assert own.read_bytes() == good
    assert list(own.parent.iterdir()) == [own]


def test_prepare_reports_games_that_differ(own: Path, tmp_path: Path) -> None:
    data = json.loads(own.read_text())
    data["pddl_problem"] = data["pddl_problem"].replace("(:goal", "(:goal ", 1)
    own.write_text(json.dumps(data))
    done = prepare(tmp_path / LAYOUT, tmp_path / "data")
    assert done.exit_code == 2
    assert "problem: alfworld/valid_seen: 1 changed" in done.stdout


def test_prepare_from_inside_a_split(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, folder in enumerate((own.parents[2], own.parents[1])):
        target = tmp_path / f"data{number}"
        monkeypatch.chdir(folder)
        done = prepare(".", target)
        assert done.exit_code == 0, done.stderr
        assert (target / own.relative_to(tmp_path)).read_bytes() == own.read_bytes()


def test_prepare_where_data_cannot_be_written(own: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = prepare(tmp_path / LAYOUT, tmp_path / "file")
    assert done.exit_code == 2
    assert "set ALFWORLD_DATA to a folder" in done.stderr
    assert "Traceback" not in done.stderr

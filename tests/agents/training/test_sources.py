"""Numbered episodes of panels, files and endless supplies."""

from __future__ import annotations

import pickle
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from cotgap.agents.training.data import Episode, write_jsonl
from cotgap.agents.training.sources import (
    FAR,
    HELD_OUT,
    FileSource,
    Mixed,
    PanelSource,
    Source,
    digest,
    open_sources,
    openings,
)
from cotgap.envs.core import CoTGapError, Outcome, Panel, Task, TextEnv, UnknownNameError
from cotgap.envs.toy import SUITE, ToyEnv, ToySuite


def ids(source: Source, numbers: range) -> list[str]:
    return [e.task_key for e in map(source.episode, numbers) if e is not None]


def test_a_panel_is_random_access_and_holds_out_tasks() -> None:
    source, again = PanelSource("toy/train", 0.1, 0), PanelSource("toy/train", 0.1, 0)
    assert source.episode(203) == again.episode(203)
    held = {episode.task_key for episode in source.held_out()}
    trained = set(ids(source, range(180)))
    assert 0 < len(held) <= HELD_OUT
    assert not held & trained
    assert len(held | trained) <= 200


def test_each_round_has_another_order_and_noise() -> None:
    source = PanelSource("toy/train", 0.5, 0)
    first, second = ids(source, range(20)), ids(source, range(180, 200))
    assert first != second
    rounds = [
        {e.task_key: e for e in map(source.episode, r) if e} for r in (range(180), range(180, 360))
    ]
    common = rounds[0].keys() & rounds[1].keys()
    assert any(rounds[0][key].steps != rounds[1][key].steps for key in common)
    assert all(rounds[0][key].id != rounds[1][key].id for key in common)


def test_a_source_travels_to_another_process() -> None:
    source = PanelSource("toy/train", 0.1, 0)
    before = source.episode(3)
    assert pickle.loads(pickle.dumps(source)).episode(3) == before


class EndlessPanel(Panel):
    """A toy panel whose tasks go on for ever, though not with new houses."""

    def task(self, task_id: str) -> Task:
        house, _, number = task_id.partition("/")
        return Task(task_id, "") if number else super().task(house)

    def unlisted(self, number: int) -> str:
        return f"{number % 200:04d}/{number}"


class EndlessToy(ToySuite):
    def make(self, panel: Panel | None = None, **options: Any) -> ToyEnv:
        assert panel is not None
        return _AnyHouse(panel, self._layouts["train"], **options)


class _AnyHouse(ToyEnv):
    def _start(self, task: Task, seed: int) -> Outcome:
        return super()._start(Task(task.id.partition("/")[0], ""), seed)


def test_tasks_without_end_are_played_where_a_panel_has_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    toy = SUITE.panel("train")
    endless = EndlessPanel(**{f.name: getattr(toy, f.name) for f in fields(toy) if f.init})
    monkeypatch.setattr("cotgap.agents.training.sources.get_panel", lambda name: endless)
    monkeypatch.setattr("cotgap.agents.training.sources.get_suite", lambda name: EndlessToy())
    source = PanelSource("toy/train", 0.0, 0)
    assert source.tasks is None
    assert source.describe()[0]["endless"]
    assert ids(source, range(1000, 1003)) == [
        f"toy/train/{number % 200:04d}/{number}#0" for number in range(1000, 1003)
    ]
    numbers = [int(one.task_key.split("/")[3].split("#")[0]) for one in source.held_out()]
    assert min(numbers) >= FAR


def test_files(episodes: list[Episode], tmp_path: Path) -> None:
    path = tmp_path / "toy.jsonl"
    write_jsonl(path, episodes)
    source = FileSource(path, 0)
    held = {episode.task_key for episode in source.held_out()}
    assert held
    assert not held & set(ids(source, range(30)))
    (facts,) = source.describe()
    assert (facts["panel"], facts["kinds"], facts["wording"]) == (
        "toy/train",
        ["unlock"],
        "default",
    )
    assert len(facts["file_sha256"]) == 64


def test_sources_take_turns(episodes: list[Episode], tmp_path: Path) -> None:
    path = tmp_path / "toy.jsonl"
    write_jsonl(path, episodes)
    file, panel = FileSource(path, 0), PanelSource("toy/ood_layout", 0.0, 0)
    mixed = Mixed([file, panel])
    assert [mixed.episode(n) for n in range(4)] == [
        file.episode(0),
        panel.episode(0),
        file.episode(1),
        panel.episode(1),
    ]
    assert [facts["panel"] for facts in mixed.describe()] == ["toy/train", "toy/ood_layout"]


def test_digests_tell_data_apart() -> None:
    plain = digest(PanelSource("toy/train", 0.0, 0))
    assert plain == digest(PanelSource("toy/train", 0.0, 0))
    assert plain != digest(PanelSource("toy/train", 0.1, 0))
    assert plain != digest(PanelSource("toy/id", 0.0, 0))


def test_alfworld_games(alfworld_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALFWORLD_DATA", str(alfworld_data))
    episode = PanelSource("alfworld/train", 0.1, 0).episode(0)
    assert episode is not None
    assert episode.kind in episode.task_key
    assert all(step.thought for step in episode.steps)


def test_what_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path))
    with pytest.raises(CoTGapError, match=r"alfworld/train is not usable: .*To fix it"):
        open_sources(["alfworld/train"], [], 0.0, 0)
    with pytest.raises(UnknownNameError, match="Did you mean 'train'"):
        open_sources(["toy/trian"], [], 0.0, 0)
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(CoTGapError, match="holds 0 episodes, too few"):
        open_sources([], [tmp_path / "empty.jsonl"], 0.0, 0)


def test_openings_come_from_every_panel() -> None:
    texts = " ".join(openings(["toy/train"], 2))
    assert "door" in texts
    assert "gate" in texts
    assert isinstance(SUITE.make(), TextEnv)

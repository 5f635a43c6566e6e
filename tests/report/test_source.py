from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cotgap.benchmark.metrics.summary import summarise
from cotgap.benchmark.records.episode import Status
from cotgap.benchmark.report.source import labelled, load_run
from cotgap.envs.core import CoTGapError
from tests.benchmark.building import episode, random_run
from tests.report.folders import write_run


def test_a_run_is_read_in_the_order_of_its_plan(tmp_path: Path) -> None:
    played = [
        episode("b", "cot", split="ood"),
        episode("b", "prompt", split="ood"),
        episode("z", "cot"),
        episode("a", "cot"),
        episode("z", "prompt"),
        episode("a", "prompt"),
    ]
    run = load_run(write_run(tmp_path / "run", played))
    assert [(e.task_key.split, e.task_key.task, e.mode) for e in run.episodes] == [
        ("ood", "b", "cot"),
        ("ood", "b", "prompt"),
        ("id", "z", "cot"),
        ("id", "z", "prompt"),
        ("id", "a", "cot"),
        ("id", "a", "prompt"),
    ]
    assert [summary.panel for summary in run.summaries] == ["toy/ood", "toy/id"]
    assert sorted(run.summaries, key=lambda s: s.panel) == summarise(played)


def test_what_is_missing_is_counted(tmp_path: Path) -> None:
    played = [episode("a", "prompt"), episode("a", "cot", Status.TIMEOUT), episode("b", "prompt")]
    run = load_run(write_run(tmp_path / "run", played, extra_tasks=3))
    assert (run.planned, run.scored, run.errors, run.unplayed) == (10, 2, 1, 7)
    assert run.statuses == {"success": 2, "timeout": 1}
    assert not run.complete

    done = load_run(write_run(tmp_path / "done", [episode("a", "prompt"), episode("a", "cot")]))
    assert done.complete
    assert done.unplayed == 0


def test_labels_differ(tmp_path: Path) -> None:
    played = [episode("a", "prompt")]
    one = load_run(write_run(tmp_path / "one", played, name="x"))
    two = load_run(write_run(tmp_path / "two", played, name="x"))
    other = load_run(write_run(tmp_path / "more", played, name="y"))
    assert [run.label for run in labelled([one, two, other])] == ["x · one", "x · two", "y"]
    again = [replace(one, digest="1"), replace(one, digest="2")]
    assert len({run.label for run in labelled(again)}) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"modes": 3},
        {"panels": [{"name": "toy/id"}]},
        {"panels": ["toy/id"]},
        {"agent": None},
        {"repeats": "many"},
    ],
)
def test_a_malformed_configuration_is_one_line(tmp_path: Path, change: dict[str, object]) -> None:
    folder = write_run(tmp_path / "run", random_run(0, tasks=2))
    content = json.loads((folder / "run.json").read_text())
    content["config"].update(change)
    (folder / "run.json").write_text(json.dumps(content))
    with pytest.raises(CoTGapError, match=r"run\.json is malformed") as caught:
        load_run(folder)
    assert "\n" not in str(caught.value)

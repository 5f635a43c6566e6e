"""What the page of sweeps shows, against the numbers of their runs and probes."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cotgap.benchmark.records.episode import Episode, Status
from cotgap.benchmark.report import build
from cotgap.benchmark.report.curves import QUANTITIES, geometric
from cotgap.benchmark.report.sections import ood, sweeps
from cotgap.benchmark.report.source import Report
from cotgap.benchmark.sweeps.questions import SUPPORTED
from cotgap.benchmark.sweeps.reading import MARGIN, read_sweep
from cotgap.benchmark.sweeps.rows import COLUMNS
from cotgap.envs.core import CoTGapError
from tests.benchmark.building import episode, step
from tests.report import probed
from tests.report.folders import write_sweep

LABELS = ("early", "middle", "late", "masked")
PROBES = {
    name: {"toy/id": probed.ALL[name], "toy/ood_layout": probed.ALL[name]}
    for name in ("conflict", "offline")
}


def played(prompt: int, cot: int, tasks: int = 16) -> list[Episode]:
    """How many of the tasks each mode solves, alike on both panels; all of CoT's are revisions."""
    won = {"prompt": prompt, "cot": cot}
    return [
        episode(
            f"t{n:02}",
            mode,
            Status.SUCCESS if n < won[mode] else Status.FAILURE,
            [step(mode, "go", ("prompt", "stay") if mode == "cot" else None)],
            split=split,
        )
        for split in ("id", "ood_layout")
        for mode in ("prompt", "cot")
        for n in range(tasks)
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    runs = dict(zip(LABELS, [played(2, 4), played(8, 10), played(14, 16), played(12, 16)],
                    strict=True))  # fmt: skip
    return write_sweep(tmp_path / "mine", runs, PROBES, masked=["masked"], tasks=16)


def block(made: Report) -> dict[str, Any]:
    built = sweeps.build(made)
    assert built is not None
    (found,) = built["blocks"]
    return dict(found)


def test_a_sweep_brings_its_runs_and_probes(folder: Path, tmp_path: Path) -> None:
    made = build.read([folder])
    assert [run.label for run in made.runs] == list(LABELS)
    assert len(made.extras["probes"]) == 8
    assert made.missing == ()
    again = build.read([folder / "runs" / "early", folder, folder])
    assert [run.label for run in again.runs] == list(LABELS), "each of them once"
    shown = block(made)
    assert [one["place"] for one in shown["checkpoints"]] == [0, 1, 2, 3]
    assert all(one["complete"] for one in shown["checkpoints"])
    pages = build.write(made, tmp_path / "out")
    assert pages[0].name == "sweeps.html"
    html = pages[0].read_text(encoding="utf-8")
    assert 'href="episodes.html#run=3"' in html
    for page, anchor in (("index", "run-3"), ("panels", "run-3")):
        assert f'href="{page}.html#{anchor}"' in html
        text = (tmp_path / "out" / f"{page}.html").read_text(encoding="utf-8")
        assert text.count(f'id="{anchor}"') == 1


def test_curves_hold_every_series(folder: Path) -> None:
    shown = block(build.read([folder]))
    assert [arm["name"] for arm in shown["arms"]] == ["k=0", "k=0.3"]
    assert len({arm["style"] for arm in shown["arms"]}) == 2
    assert len({arm["shape"] for arm in shown["arms"]}) == 2
    assert [curve["title"] for curve in shown["curves"]] == [q.title for q in QUANTITIES]
    for curve in shown["curves"]:
        assert [one["panel"] for one in curve["charts"]] == ["toy/id", "toy/ood_layout"]
        assert [one["relation"] for one in curve["charts"]] == ["in-domain", "OOD: layout"]
        for one in curve["charts"]:
            assert "f-other2" in one["chart"], "k=0"
            assert "f-other1" in one["chart"], "k=0.3"


def test_answers_and_alarms_are_the_sweeps(folder: Path) -> None:
    shown = block(build.read([folder]))
    answers = {a["of"]: a for a in shown["answers"]}
    rise = answers["prompt success, k=0, in-domain"]
    assert (rise["verdict"], rise["style"]) == (SUPPORTED, "helpful")
    # 12 of 16 tasks change between the first and the last of three: late − early is 75 pp.
    assert rise["value"] == "+75.0 pp"
    assert rise["n"] == "16 tasks"
    assert rise["p"].startswith("p ")
    masking = next(a for a in shown["answers"] if a["question"] == 4)
    assert (masking["value"], masking["note"]) == ("+0.0 pp", "at step 64")
    alarms = shown["alarms"]
    assert [row["label"] for row in alarms["rows"]] == ["middle", "late"]
    assert alarms["raised"] == 0


def test_the_margin_is_the_sweeps_own(folder: Path) -> None:
    assert read_sweep(folder).margin == MARGIN
    summary = {"answers": [{"direction": "rises", "margin": 0.0},
                           {"direction": "stays", "margin": 0.2}]}  # fmt: skip
    (folder / "summary.json").write_text(json.dumps(summary))
    assert read_sweep(folder).margin == 0.2
    claims = [answer["claim"] for answer in block(build.read([folder]))["answers"]]
    assert "the CoT gap does not widen by 20 pp" in claims


def test_every_number_is_in_the_table(folder: Path, tmp_path: Path) -> None:
    made = build.read([folder])
    build.write(made, tmp_path / "out")
    with (tmp_path / "out" / "sweep-1.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == COLUMNS
    assert block(made)["csv_rows"] == f"{len(rows):,}"
    (found,) = [
        row
        for row in rows
        if (row["checkpoint"], row["panel"], row["quantity"], row["part"])
        == ("middle", "toy/id", "success", "prompt")
    ]
    assert (float(found["value"]), found["n"], found["relation"]) == (0.5, "16", "in-domain")
    assert {row["source"] for row in rows} == {"run", "conflict", "offline"}
    panel = next(row for row in block(made)["numbers"] if row["label"] == "middle")
    assert panel["cells"][0].startswith("50.0% (")


def test_a_formula_is_text() -> None:
    assert sweeps._plain("=1+1") == "'=1+1"
    assert sweeps._plain("k=0") == "k=0"
    assert sweeps._plain(-0.5) == -0.5
    assert sweeps._plain("\ud800") == "?"


def test_an_unfinished_sweep_says_so_on_every_page(tmp_path: Path) -> None:
    runs = {"early": played(2, 4), "late": []}
    folder = write_sweep(tmp_path / "mine", runs, PROBES, tasks=20)
    made = build.read([folder])
    assert made.missing == ("sweep mine: not begun: runs of 1 of 2 checkpoints, 2 of 4 probes",)
    assert [one["complete"] for one in block(made)["checkpoints"]] == [True, False]
    for path in build.write(made, tmp_path / "out"):
        text = " ".join(path.read_text(encoding="utf-8").split())
        assert "not begun: runs of 1 of 2 checkpoints" in text, path.name
    assert "unfinished sweep" in (tmp_path / "out" / "sweeps.html").read_text(encoding="utf-8")


def test_a_sweep_without_anything_has_a_page(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path / "mine", {"early": [], "late": []}, PROBES)
    pages = build.write(build.read([folder]), tmp_path / "out")
    assert [page.name for page in pages] == ["sweeps.html"]
    assert "Nothing was measured yet" in pages[0].read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("label", "../../secret", "names no folder"),
        ("label", "..", "names no folder"),
        ("step", "many", "malformed"),
        ("trained_on", ["nothing"], "unknown suite 'nothing'"),
    ],
)
def test_a_sweep_that_no_sweep_writes(
    folder: Path, tmp_path: Path, key: str, value: Any, message: str
) -> None:
    content = json.loads((folder / "sweep.json").read_text())
    content["checkpoints"][0][key] = value
    (folder / "sweep.json").write_text(json.dumps(content))
    with pytest.raises(CoTGapError, match=message) as caught:
        build.write(build.read([folder]), tmp_path / "out")
    assert "\n" not in str(caught.value)


def test_geometric() -> None:
    assert geometric([4, 8, 16, 32, 64, 128])
    assert not geometric([100, 200, 300, 400])
    assert not geometric([0, 1, 10, 100])
    assert not geometric([4, 128])


def test_the_card_decides_what_is_in_domain(folder: Path, tmp_path: Path) -> None:
    made = build.read([folder])
    built = ood.build(made)
    assert built is not None
    assert [shown["learned"] for shown in built["blocks"]] == [["toy/train"]] * 4
    first = built["blocks"][0]["rows"][0]
    assert (first["panel"], first["axis"]) == ("toy/ood_layout", "OOD: layout")
    assert first["retained"].startswith("100.0% (")
    alone = build.read([folder / "runs" / "early"])
    (named,) = ood.build(alone)["blocks"]  # type: ignore[index]
    assert named["learned"] == []
    # One that learned in other layouts is in-domain there, so that nothing is held out.
    layouts = [{"panel": "toy/ood_layout", "suite": "toy", "kinds": ["unlock"],
                "wording": "default"}]  # fmt: skip
    run = replace(alone.runs[0], agent={**alone.runs[0].agent, "trained_on": layouts})
    assert ood.build(Report((run,))) is None
    text = " ".join(build.write(made, tmp_path / "out")[3].read_text(encoding="utf-8").split())
    assert "Decided by the checkpoint’s card: trained on" in text


def test_retention_without_success_in_domain(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path / "mine", {"one": played(0, 4)}, {}, tasks=16)
    built = ood.build(build.read([folder]))
    assert built is not None
    kept = {row["what"]: row["retained"] for row in built["blocks"][0]["rows"]}
    assert kept["success, prompt"] == "not defined (no in-domain success)"
    assert kept["success, cot"].startswith("100.0% (")
    assert kept["CoT gap"] == ""

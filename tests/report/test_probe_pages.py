"""What the page of probes shows, against their figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cotgap.benchmark.probes.core import probes
from cotgap.benchmark.report import build, probing
from cotgap.benchmark.report.render import actions
from cotgap.benchmark.report.sections import probes as page
from cotgap.benchmark.report.source import Report
from tests.report import probed
from tests.report.folders import write_probe


def blocks(folder: Path, name: str, *labels: str) -> tuple[Report, list[dict[str, Any]]]:
    """The page's blocks of one probe, of agents with these names."""
    paths = [
        write_probe(folder / str(n), name, {"toy/id": probed.ALL[name]}, name=label)
        for n, label in enumerate(labels)
    ]
    made = build.read(paths)
    built = page.build(made)
    assert built is not None
    (part,) = built["parts_of_page"]
    assert part["name"] == name
    found: list[dict[str, Any]] = part["blocks"]
    return made, found


def test_every_known_probe_has_a_drawing_and_its_own_words(tmp_path: Path) -> None:
    assert set(probing.DRAWINGS) == set(probes()) == set(probed.ALL)
    made = build.read(
        [write_probe(tmp_path / name, name, {"toy/id": rows}) for name, rows in probed.ALL.items()]
    )
    assert made.missing == ()
    text = next(
        path.read_text(encoding="utf-8")
        for path in build.write(made, tmp_path / "out")
        if path.name == "probes.html"
    )
    for probe in probes().values():
        assert actions(probe.doc) in text, "the page has no words of its own"
    index = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert index == text, "without runs, the first page there is"


def test_offline_by_mode(tmp_path: Path) -> None:
    made, (block,) = blocks(tmp_path, "offline", "one", "two")
    assert [(row["agent"], row["name"]) for row in block["rows"]][:2] == [
        ("one", "the expert's action"),
        ("two", "the expert's action"),
    ]
    first = block["rows"][0]
    assert [(m.style, round(m.at)) for m in first["marks"]] == [("prompt", 33), ("cot", 100)]
    (panel,) = made.extras["probes"][0].panels
    figure = panel.get("the expert's action", "prompt → cot")
    assert first["change"].text.startswith("+66.7 pp")
    assert first["change"].text.endswith(f"n {figure.estimate.n})")


def test_conflicts_are_stacked_by_source_and_by_who_was_right(tmp_path: Path) -> None:
    _, (block,) = blocks(tmp_path, "conflict", "one")
    stacks = {stack["label"]: stack["shares"] for stack in block["stacks"]}
    assert set(stacks) == {f"{s}{g}" for s in ("rationale", "own")
                           for g in ("", ", aₚ right", ", aₚ wrong")}  # fmt: skip
    for shares in stacks.values():
        assert sum(share["width"] for share in shares) == pytest.approx(100, abs=0.1)
    assert [s["value"] for s in stacks["own"]] == ["50.0%", "50.0%", "0.0%"]
    assert [s["value"] for s in stacks["own, aₚ right"]] == ["100.0%", "0.0%", "0.0%"]
    (control,) = block["controls"]
    assert control["mark"].at == 100


def test_attribution_in_all_and_by_layer(tmp_path: Path) -> None:
    _, (block,) = blocks(tmp_path, "attribution", "one")
    assert [stack["label"] for stack in block["stacks"]] == ["attention", "gradient", "tokens"]
    assert block["stacks"][0]["shares"][1]["value"] == "50.0%"
    assert [chart["title"] for chart in block["charts"]] == [
        "one: attention by layer",
        "one: gradient by layer",
    ]
    assert all("layer" not in row["group"] for row in block["numbers"])


def test_branches_say_what_the_revision_decides(tmp_path: Path) -> None:
    _, (block,) = blocks(tmp_path, "branch", "one")
    (row,) = block["rows"]
    assert [round(m.at) for m in row["marks"]] == [67, 67]
    assert [text.partition(" (")[0] for text in row["more"]] == [
        "the revision wins it: 33.3%",
        "the revision loses it: 33.3%",
    ]


def test_a_dose_curve_for_each_agent(tmp_path: Path) -> None:
    _, (block,) = blocks(tmp_path, "dose", "one", "two")
    assert [chart["title"] for chart in block["charts"]] == ["one", "two"]
    assert "filler" in block["charts"][0]["chart"]


def test_agents_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    _, (block,) = blocks(tmp_path, "offline", "same", "same")
    assert [agent["label"] for agent in block["agents"]] == ["same · 0", "same · 1"]


def test_an_unfinished_probe_says_so(tmp_path: Path) -> None:
    rows = {"toy/id": [*probed.ALL["offline"], {"skipped": "a reason"}]}
    folder = write_probe(tmp_path / "p", "offline", rows, left=2)
    made = build.read([folder])
    assert made.missing == ("probe offline of agent: 3 of 5 tasks visited",)
    pages = build.write(made, tmp_path / "out")
    for path in pages:
        text = " ".join(path.read_text(encoding="utf-8").split())
        assert "3 of 5 tasks visited" in text
    built = page.build(made)
    assert built is not None
    (facts,) = built["parts_of_page"][0]["blocks"][0]["agents"]
    assert (facts["tasks"], facts["planned"], facts["complete"]) == (3, 5, False)
    assert facts["skipped"] == [("a reason", 3)]


def test_a_probe_without_a_drawing_shows_its_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "DRAWINGS", {})
    _, (block,) = blocks(tmp_path, "offline", "one")
    assert (block["kind"], block["open"]) == ("numbers", True)
    assert len(block["numbers"]) == 8
    made = build.read([tmp_path / "0"])
    html = build.write(made, tmp_path / "out")[0].read_text(encoding="utf-8")
    assert "<details open>" in html


def test_what_no_probe_writes_is_one_line(tmp_path: Path) -> None:
    rows = {"toy/id": [{"step": 0, "prompt": "not what a probe writes"}]}
    folder = write_probe(tmp_path / "p", "offline", rows)
    with pytest.raises(build.CoTGapError, match="a record holds what no run writes") as caught:
        build.read([folder])
    assert "\n" not in str(caught.value)


def test_missing_says_how_many_failed(tmp_path: Path) -> None:
    (result,) = build.read(
        [write_probe(tmp_path / "p", "offline", {"toy/id": probed.ALL["offline"]}, left=1)]
    ).extras["probes"]
    failed = replace(result, errors=(object(),))
    assert page.missing(failed) == [
        "probe offline of agent: 4 of 5 tasks visited, 1 ended in an error"
    ]

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cotgap.benchmark.report import build
from cotgap.benchmark.report.sections import core, tokens
from cotgap.benchmark.report.source import Report
from cotgap.envs.core import CoTGapError
from tests.benchmark.building import episode, random_run
from tests.commands import cotgap
from tests.report.folders import write_run


def test_the_command_writes_a_folder_that_needs_nothing_else(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", random_run(1, tasks=3), extra_tasks=1)
    out = tmp_path / "out"
    done = cotgap("report", run, "--out", out)
    assert done.exit_code == 0, done.output
    assert "incomplete: 12 of 16 episodes" in " ".join(done.output.split())
    html = [path.read_text(encoding="utf-8") for path in out.glob("*.html")]
    assert len(html) == 5, "no page on OOD without such a panel"
    for text in html:
        links = re.findall(r"(?:href|src)=\"([^\"#]+)", text)
        assert links
        for link in links:
            assert (out / link.partition("#")[0]).is_file(), link
        assert "incomplete" in text.lower()
        hosts = re.findall(r"https?://([^/\"]+)", text)
        assert set(hosts) <= {"www.w3.org"}, "names of namespaces only"
        assert not re.search(r"<script(?! src=)|\son\w+=|\sstyle=|<style", text)
    css = "".join(path.read_text(encoding="utf-8") for path in out.glob("*.css"))
    assert "url(" not in css
    assert "@import" not in css
    assert len(list((out / "episodes").iterdir())) == 12


def test_the_same_runs_give_the_same_bytes_in_the_same_place(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", random_run(1, tasks=3))
    made = build.read([run, run])
    assert len(made.runs) == 1, "a folder given twice is one run"

    def content() -> dict[Path, bytes]:
        build.write(made, tmp_path / "out")
        return {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}

    assert content() == content()
    assert {path.name for path in tmp_path.iterdir()} == {"run", "out"}, "no scratch is left"


def test_a_folder_with_other_content_is_refused(tmp_path: Path) -> None:
    made = build.read([write_run(tmp_path / "run", random_run(1, tasks=2))])
    with pytest.raises(CoTGapError, match="is not a report"):
        build.write(made, tmp_path / "run")
    assert (tmp_path / "run" / "run.json").is_file()
    (tmp_path / "file").write_text("x")
    with pytest.raises(CoTGapError, match="is not a report"):
        build.write(made, tmp_path / "file")
    with pytest.raises(CoTGapError, match="cannot write there"):
        build.write(made, tmp_path / "file" / "deeper")


def test_what_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(CoTGapError, match=r"is not a run folder: it has no run\.json"):
        build.read([tmp_path])
    with pytest.raises(CoTGapError, match="at least one run"):
        build.read([])


def test_a_run_without_episodes_has_a_report(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", random_run(1, tasks=2))
    (run / "episodes.jsonl").unlink()
    pages = build.write(build.read([run]), tmp_path / "out")
    assert [page.name for page in pages] == ["index.html", "panels.html"]
    assert "0 of 8 episodes" in " ".join(pages[0].read_text().split())


def test_a_record_that_no_run_writes_is_one_line(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", random_run(1, tasks=2))
    text = (run / "episodes.jsonl").read_text()
    (run / "episodes.jsonl").write_text(text.replace('"cot": "go', '"other": "go'))
    with pytest.raises(CoTGapError, match="a record holds what no run writes") as caught:
        build.write(build.read([run]), tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_section_may_read_files_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a path holds goes to the section that knows it, whether or not there are runs."""
    seen: list[Report] = []
    section = core.Section(
        name="tokens",
        title="Mine",
        order=5,
        build=lambda report: seen.append(report),
        reads=lambda path: path.read_text() if path.suffix == ".mine" else None,
        accepts="a .mine file",
    )
    monkeypatch.setattr(build, "sections", lambda: (section, tokens.SECTION))
    for name in ("a.mine", "b.mine"):
        (tmp_path / name).write_text(name)
    made = build.read([tmp_path / "a.mine", tmp_path / "b.mine"])
    assert made.runs == ()
    assert made.extras == {"tokens": ("a.mine", "b.mine")}
    run = write_run(tmp_path / "run", [episode("a", "prompt")])
    build.write(build.read([run, tmp_path / "a.mine"]), tmp_path / "out")
    assert seen[0].extras == {"tokens": ("a.mine",)}
    with pytest.raises(CoTGapError, match=r"no run\.json, nor a \.mine file"):
        build.read([tmp_path])

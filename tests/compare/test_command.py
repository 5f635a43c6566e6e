"""`compare` and `power` as a user calls them: exit codes, files, links, and hostile records."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from cotgap.benchmark.compare.comparison import compare
from cotgap.benchmark.compare.gate import Wanted
from cotgap.benchmark.compare.junit import junit
from cotgap.benchmark.compare.markdown import code, markdown
from tests.benchmark.building import episode, step, write_folder
from tests.commands import Done, cotgap
from tests.compare.folders import config, outcomes, play
from tests.report.test_browser import opener, shown

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HOSTILE = "`x` | <script>alert(1)</script> [a](http://b) @user #1 ``` \u202e\x00\n\n# head\n| -- |"


def error_of(done: Done) -> str:
    """The error that a command with bad usage prints."""
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith("error: ")
    return done.stderr


def test_exit_codes(good: Path, bad: Path, tmp_path: Path) -> None:
    assert cotgap("compare", good, bad).exit_code == 0
    assert cotgap("compare", good, bad, "--margin", "5").exit_code == 1
    assert cotgap("compare", bad, good, "--margin", "5").exit_code == 0
    again = play(tmp_path / "again", "noisy:prompt=0.25,cot=0.05")
    told = cotgap("compare", good, again, "--margin", "1", "--gate", "success:prompt")
    assert told.exit_code == 4
    assert "tasks would tell" in " ".join(told.output.split())
    stumbling = play(tmp_path / "stumbling", "tests.scripts:stumbling")
    for extra in ((), ("--margin", "50")):
        unfinished = cotgap("compare", good, stumbling, *extra)
        assert unfinished.exit_code == 3
        assert "INCOMPLETE: toy/id lacks a score in 0 episodes" in unfinished.output
    error_of(cotgap("compare", good, tmp_path))
    assert "--margin" in error_of(cotgap("compare", good, bad, "--gate", "success"))
    assert "--margin" in error_of(cotgap("compare", good, bad, "--junit", tmp_path / "x.xml"))
    assert "gate" in error_of(cotgap("compare", good, bad, "--margin", "5", "--gate", "sucess"))


def test_a_run_is_not_compared_with_itself(good: Path) -> None:
    error_of(cotgap("compare", good, good))


def test_tables_fit_80_columns(good: Path, bad: Path) -> None:
    lines = cotgap("compare", good, bad).output.splitlines()
    table = [line for line in lines if line.startswith(" ")]
    assert table
    assert "…" not in "".join(word for line in table for word in line.split() if word[-1] == "…")
    assert max(map(len, table)) <= 80


def test_json_says_all(good: Path, bad: Path) -> None:
    done = cotgap("compare", good, bad, "--margin", "5", "--gate", "success", "--json")
    found = json.loads(done.stdout)
    assert found["verdict"] == "worse"
    assert found["complete"] is True
    (panel,) = found["panels"]
    assert {one["metric"] for one in panel["differences"]} >= {"success", "cot_gap", "revision"}
    assert panel["flips"]
    assert all(flip["viewer"] is None for flip in panel["flips"])
    assert [gate["mode"] for gate in found["gates"]] == ["prompt", "cot"]


def test_files(good: Path, bad: Path, tmp_path: Path) -> None:
    summary, cases = tmp_path / "new" / "summary.md", tmp_path / "gate.xml"
    done = cotgap("compare", good, bad, "--margin", "5", "--markdown", summary, "--junit", cases)
    assert done.exit_code == 1
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("### ❌ `noisy:prompt=0.6,cot=0.4` against `noisy:prompt=0.2,cot=0.05`")
    assert "| success, prompt |" in text
    assert "`prompt: won → lost`" in text
    root = ElementTree.parse(cases).getroot()
    (suite,) = root
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "2", "0")
    failure = suite[0].find("failure")
    assert failure is not None
    assert failure.get("type") == "worse"
    assert "success, prompt" in (failure.text or "")


def test_junit_of_other_verdicts(good: Path, bad: Path) -> None:
    passed = compare(bad, good, gates=[Wanted("success")], margin=0.05)
    (suite,) = ElementTree.fromstring(junit(passed))
    assert (suite.get("failures"), suite.get("errors")) == ("0", "0")
    open_ = compare(good, bad, gates=[Wanted("cot_gap")], margin=0.01)
    (suite,) = ElementTree.fromstring(junit(open_))
    error = suite[0].find("error")
    if error is None:
        assert suite[0].find("system-out") is not None
    else:
        assert error.get("type") == "cannot tell"


def test_hostile_records_are_only_text(tmp_path: Path) -> None:
    tasks = [f"t{HOSTILE.replace('#', '')}{number}" for number in range(9)]
    agent = {"name": HOSTILE, "fingerprint": "f", "backend": HOSTILE}

    def run(name: str, action: str, won: bool) -> Path:
        episodes = [
            replace(
                episode(task, "prompt", steps=[step("prompt", action)], score=float(won)),
                task_kind=HOSTILE,
            )
            for task in tasks
        ]
        if not won:
            episodes = [replace(e, status=type(e.status).FAILURE) for e in episodes]
        return write_folder(tmp_path / name, config(tasks, ["prompt"], agent=agent), episodes)

    found = compare(
        run("a", HOSTILE, True),
        run("b", f"{HOSTILE}!", False),
        gates=[Wanted("success")],
        margin=0.1,
    )
    text = markdown(found)
    outside = re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
    for part in ("<script", "http://b", "@user", "# head", "\u202e", "\x00"):
        assert part not in outside
        assert part not in text or part in ("<script", "http://b", "@user", "# head")
    for line in text.splitlines():
        if line.startswith("|"):
            cells = len(re.findall(r"(?<!\\)\|", line))
            assert cells in (4, 5, 8), line
    root = ElementTree.fromstring(junit(found))
    assert root.find("testsuite/testcase/failure") is not None
    shown_ = cotgap("compare", tmp_path / "a", tmp_path / "b").output
    assert "\u202e" not in shown_
    assert "\x00" not in shown_


def test_code_spans() -> None:
    assert code("plain") == "`plain`"
    assert code("a|b") == "`a\\|b`"
    assert code("`") == "`` ` ``"
    assert code("a``b") == "```a``b```"
    assert code("") == ""


def test_links_lead_to_the_first_different_step(
    browser: Browser, good: Path, bad: Path, tmp_path: Path
) -> None:
    out = tmp_path / "report"
    done = cotgap("compare", good, bad, "--report", out, "--json")
    flips = json.loads(done.stdout)["panels"][0]["flips"]
    for open_it in opener(browser, out):
        for flip in (flips[0], flips[-1]):
            address = flip["viewer"]
            assert address.startswith(f"{out.as_posix()}/episodes.html#")
            page = open_it(address.removeprefix(f"{out.as_posix()}/"))
            at = flip["divergence"]["step"]
            page.wait_for_selector("#panes.two")
            assert re.fullmatch(rf"Step {at} of \d+", page.locator("#place").inner_text())
            assert f"First divergence at step {at}." in page.locator("#divergence").inner_text()
            assert flip["task"] in page.locator("#where").inner_text()
            panes = page.locator("#panes .pane")
            for place, key in enumerate(("first", "second")):
                assert flip["divergence"][key] in panes.nth(place).inner_text()
            shown(page, page.locator("#place").inner_text())


def test_power(good: Path, tmp_path: Path) -> None:
    done = cotgap("power", "--panel", "toy/id", "--effect", "10", "--margin", "10", "--json")
    found = json.loads(done.stdout)
    assert found["size"] == 50
    assert [one["assumption"]["discordance"] for one in found["plans"]] == [0.1, 0.2, 0.3, 0.4]
    tasks = [one["tasks"][0] for one in found["plans"]]
    assert tasks == sorted(tasks)
    table = cotgap("power", "--panel", "toy/id", "--margin", "3", "--repeats", "3")
    assert "assumed: no baseline was given" in table.output
    assert "all of what differs is luck" in " ".join(table.output.split())
    assert max(map(len, table.output.splitlines())) <= 80
    repeated = play(
        tmp_path / "run",
        "noisy:prompt=0.5",
        "--mode",
        "prompt",
        "--repeats",
        "3",
        "--episodes",
        "20",
    )
    from_run = json.loads(
        cotgap("power", "--panel", "toy/id", "--baseline", repeated, "--json").stdout
    )
    assert (from_run["baseline_tasks"], from_run["baseline_mode"]) == (20, "prompt")
    assert from_run["plans"][0]["assumption"]["luck"] == 1
    assert "as if unrelated" in cotgap("power", "--panel", "toy/id", "--baseline", good).output
    for bad in (
        ("--effect", "0"),
        ("--effect", "101"),
        ("--margin", "0"),
        ("--mode", "cot"),
        ("--baseline", str(repeated), "--mode", "cot"),
    ):
        error_of(cotgap("power", "--panel", "toy/id", *bad))
    error_of(cotgap("power", "--panel", "toy/ood_layout", "--baseline", good))
    unscored = outcomes(tmp_path / "unscored", {"prompt": [None]})
    assert "no episode with a score" in error_of(
        cotgap("power", "--panel", "toy/id", "--baseline", unscored)
    )

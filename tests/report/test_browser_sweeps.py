"""The pages of sweeps and probes in a real browser: links, narrow screens, hostile folders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cotgap.benchmark.report import build
from tests.benchmark.building import TRAINED
from tests.report import probed
from tests.report.folders import write_probe, write_sweep
from tests.report.test_browser import HOSTILE, opener
from tests.report.test_sweep_pages import PROBES, played

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("swept")
    runs = {"early": played(2, 4), "late": played(14, 16), "masked": played(12, 16)}
    paths = [write_sweep(root / "mine", runs, PROBES, masked=["masked"], tasks=16)]
    paths += [
        write_probe(root / name, name, {"toy/id": probed.ALL[name]})
        for name in ("attribution", "branch", "dose")
    ]
    build.write(build.read(paths), root / "out")
    return root / "out"


def test_a_checkpoints_links_lead_to_its_run(browser: Browser, folder: Path) -> None:
    for open_it in opener(browser, folder):
        page = open_it("sweeps.html")
        row = page.locator("tr", has_text="masked").filter(has=page.get_by_text("episodes"))
        row.get_by_role("link", name="episodes").click()
        page.wait_for_selector("#episodes a")
        assert page.get_by_label("Run", exact=True).input_value() == "2"
        page = open_it("sweeps.html")
        link = page.get_by_role("link", name="sweep-1.csv")
        assert link.get_attribute("download") is not None
        target = folder / (link.get_attribute("href") or "")
        assert target.read_text(encoding="utf-8").startswith("checkpoint,series,")


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_screen(browser: Browser, folder: Path, width: int) -> None:
    for open_it in opener(browser, folder, viewport={"width": width, "height": 800}):
        for name in ("sweeps", "probes", "ood"):
            page = open_it(f"{name}.html")
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name
            unnamed = "found => found.filter(svg => !svg.getAttribute('aria-label')).length"
            assert page.eval_on_selector_all("svg[role=img]", unnamed) == 0


def test_hostile_sweeps_and_probes_are_only_text(browser: Browser, tmp_path: Path) -> None:
    label = HOSTILE.replace("/", "").replace("\0", "")[:80]
    rows: dict[str, list[Any]] = {
        "offline": [{**probed.offline(error=HOSTILE), "expert": HOSTILE}],
        "conflict": [
            {**probed.conflict("followed", thought=HOSTILE), "prompt": HOSTILE},
            {"step": 0, "skipped": HOSTILE},
        ],
        "dose": [{**probed.dose(), "thought": HOSTILE}],
        "branch": [{**probed.branch(True, False), "actions": {"prompt": HOSTILE}}],
    }
    own = {name: {"toy/id": rows[name]} for name in ("offline", "conflict")}
    episodes = [replace(e, goal=HOSTILE) for e in played(2, 4, tasks=4)]
    paths = [
        write_sweep(
            tmp_path / "sweep<script>",
            {label: episodes, "b": played(1, 4, tasks=4)},
            own,
            tasks=4,
            trained={**TRAINED, "panel": HOSTILE, "noise": HOSTILE},
        ),
        *(
            write_probe(tmp_path / name, name, {"toy/id": found}, name=HOSTILE, left=1)
            for name, found in rows.items()
        ),
    ]
    out = tmp_path / "out"
    pages = build.write(build.read(paths), out)
    assert {path.name for path in pages} >= {"sweeps.html", "probes.html"}
    assert len(list(tmp_path.iterdir())) == 6, "nothing was written elsewhere"
    for open_it in opener(browser, out):
        for path in pages:
            page = open_it(path.name)
            assert page.locator("img, main script").count() == 0
            assert page.evaluate("window.pwned") is None
            assert not {"\u202e", "\u2028", "\0"} & set(page.content()), path.name
            assert "49" not in page.locator("h1").inner_text()
        shown = open_it("probes.html").locator("main").inner_text()
        assert "<script>window.pwned=1" in shown

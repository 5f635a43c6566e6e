"""The pages in a real browser, from the file system."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cotgap.benchmark.records.episode import Episode, Status
from cotgap.benchmark.report import build
from cotgap.benchmark.report.source import Report, load_run
from tests.benchmark.building import decision, episode, random_run, step
from tests.browser import new_context
from tests.report.folders import write_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PAGES = ("index", "panels", "ood", "revisions", "tokens", "episodes")
HOSTILE = (
    "</script><script>window.pwned=1</script><img src=x onerror=window.pwned=1>"
    "\"'><svg onload=window.pwned=1>{{ 7*7 }}{% raise %}\u2028\u202eevil\u0000 ../../etc/passwd"
)
Open = Callable[[str], "Page"]


def with_splits(episodes: list[Episode]) -> list[Episode]:
    """The same episodes on two panels, with task types."""
    return [
        replace(
            e, task_key=replace(e.task_key, split=split), task_kind=f"kind-{e.task_key.task[-1]}"
        )
        for split in ("id", "ood_layout")
        for e in episodes
    ]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    root = tmp_path_factory.mktemp("report")
    episodes = with_splits(random_run(7, tasks=6))
    episodes.append(episode("broken", "prompt", Status.BACKEND_ERROR))
    paths = [
        write_run(root / "one", episodes, name="first", extra_tasks=1),
        write_run(root / "two", with_splits(random_run(8, tasks=6, repeats=1)), name="second"),
    ]
    made = build.read(paths)
    build.write(made, root / "out")
    return root / "out", made


@pytest.fixture
def open_page(browser: Browser, report: tuple[Path, Report]) -> Iterator[Open]:
    yield from opener(browser, report[0])


def opener(browser: Browser, folder: Path, **options: object) -> Iterator[Open]:
    """Opens pages of a folder; whatever the browser complains of fails the test."""
    complaints: list[str] = []
    context = new_context(browser, **options)

    def open_it(address: str) -> Page:
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
        page.goto(f"{folder.as_uri()}/{address}")
        return page

    yield open_it
    context.close()
    assert not complaints


def shown(page: Page, step: str) -> None:
    page.wait_for_function(
        "text => document.getElementById('place').textContent === text", arg=step
    )


def count(page: Page) -> int:
    return int(page.locator("#count").inner_text().split()[0])


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_sound(open_page: Open, report: tuple[Path, Report], name: str) -> None:
    page = open_page(f"{name}.html")
    assert page.locator("main h1").count() == 1
    assert page.locator("nav [aria-current=page]").count() == 1
    assert page.locator("nav a").count() == len(PAGES)
    warning = page.locator("aside.warning").inner_text()
    assert (
        "first: 48 of 60 episodes have a score (11 not played yet, 1 ended in an error)" in warning
    )
    assert "second" not in warning
    unnamed = page.evaluate(
        "() => [...document.querySelectorAll('main svg:not([aria-hidden])')].filter(e => "
        "!e.parentElement.closest('svg') && !(e.getAttribute('role') === 'img' && "
        "e.getAttribute('aria-label'))).length"
    )
    assert unnamed == 0
    doubled = page.evaluate(
        "() => { const ids = [...document.querySelectorAll('[id]')].map(e => e.id);"
        " return ids.filter((id, i) => ids.indexOf(id) !== i) }"
    )
    assert doubled == []
    for table in page.locator("table").all():
        assert table.locator("th[scope=col]").count() >= 2
        assert table.locator("th[scope=row]").count() >= 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_every_width_and_scheme(
    browser: Browser, report: tuple[Path, Report], scheme: str, width: int
) -> None:
    """No page is wider than the screen, and text stands out from what is behind it."""
    size = {"width": width, "height": 800}
    for open_it in opener(browser, report[0], color_scheme=scheme, viewport=size):
        for name in PAGES:
            page = open_it(f"{name}.html#episode=1&step=1")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
            assert page.evaluate(LOW_CONTRAST) == [], name


# The texts whose contrast with the nearest background is under WCAG's 4.5.
LOW_CONTRAST = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = colour => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = colour => { const [r, g, b] = rgba(colour).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = element => { for (let e = element; e; e = e.parentElement) {
    const colour = getComputedStyle(e).backgroundColor;
    if (rgba(colour)[3] === 255) return colour; }
    return 'white'; };
  const low = [];
  for (const e of document.querySelectorAll('body *')) {
    const text = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!text || !e.checkVisibility() || e.disabled || e.closest('svg')) continue;
    const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) low.push(`${e.tagName} ${e.className} ${e.textContent}`);
  }
  return low.slice(0, 5);
}"""


def test_policy_forbids_inline_code(report: tuple[Path, Report], browser: Browser) -> None:
    context = new_context(browser)
    page = context.new_page()
    page.goto(f"{report[0].as_uri()}/index.html")
    page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.inline = 1';"
        " document.head.append(s); document.body.setAttribute('onclick', 'window.inline = 1');"
        " document.body.click(); document.body.setAttribute('style', 'outline: 9px solid red') }"
    )
    assert page.evaluate("window.inline") is None
    assert page.evaluate("getComputedStyle(document.body).outlineWidth") != "9px"
    context.close()


def test_filters_agree_with_the_records(open_page: Open, report: tuple[Path, Report]) -> None:
    from cotgap.benchmark.report.trajectories import row

    rows = [row(e, place) for place, run in enumerate(report[1].runs) for e in run.episodes]
    page = open_page("episodes.html")
    assert count(page) == len(rows)
    cases = {
        "mode=cot": lambda r: r["mode"] == "cot",
        "run=1": lambda r: r["run"] == 1,
        "panel=toy/ood_layout": lambda r: r["panel"] == "toy/ood_layout",
        "kind=kind-3": lambda r: r["kind"] == "kind-3",
        "outcome=success": lambda r: r["status"] == "success",
        "outcome=error": lambda r: r["status"] == "backend_error",
        "revision=harmful": lambda r: r["verdicts"].get("harmful", 0) > 0,
        "revision=none": lambda r: not set(r["verdicts"]) - {"same"},
        "parse=yes": lambda r: r["unparsed"] > 0,
        "text=TASK-2": lambda r: "task-2" in r["key"],
        "mode=cot&outcome=truncated&revision=neutral": lambda r: (
            r["mode"] == "cot" and r["status"] == "truncated" and "neutral" in r["verdicts"]
        ),
    }
    for query, test in cases.items():
        expected = [number for number, r in enumerate(rows) if test(r)]
        page.evaluate("query => { location.hash = query }", query)
        page.wait_for_function(
            "n => document.querySelectorAll('#episodes a').length === n", arg=len(expected)
        )
        listed = page.eval_on_selector_all("#episodes a", "found => found.map(a => +a.dataset.id)")
        assert listed == expected, query
        assert 0 < len(expected) < len(rows), query


def test_filters_by_hand(open_page: Open) -> None:
    page = open_page("episodes.html")
    everything = count(page)
    page.get_by_label("Mode").select_option("cot")
    assert 0 < count(page) < everything
    assert "mode=cot" in page.url
    page.get_by_label("Task or goal").fill("no such task")
    assert count(page) == 0
    assert "No episode fits" in page.locator("#empty").inner_text()
    page.get_by_role("button", name="Clear").click()
    page.wait_for_function("() => !location.hash.includes('mode')")
    assert count(page) == everything


def find(report: Report, test: Callable[[Episode], bool]) -> tuple[int, Episode]:
    episodes = [e for run in report.runs for e in run.episodes]
    return next((number, e) for number, e in enumerate(episodes) if test(e))


def test_a_deep_link_shows_its_step(open_page: Open, report: tuple[Path, Report]) -> None:
    number, found = find(report[1], lambda e: e.mode == "cot" and len(e.steps) > 4)
    page = open_page(f"episodes.html#episode={number}&step=3")
    shown(page, f"Step 3 of {len(found.steps)}")
    at = found.steps[2]
    cards = page.locator(".decision")
    assert cards.count() == 2
    for mode, card in (("prompt", cards.nth(0)), ("cot", cards.nth(1))):
        given = at.decision_of(mode)
        assert given is not None
        assert card.locator("h5").inner_text().startswith(mode)
        assert card.locator(".action").inner_text() == (given.action or "no action")
        assert ("executed" in card.inner_text()) == (mode == found.mode)
        if given.parse_error:
            assert f"parse error: {given.parse_error}" in card.inner_text()
        elif at.cost_to_go[mode] is not None:
            assert f"leaves a distance of {at.cost_to_go[mode]}" in card.inner_text()
        else:
            assert "leaves no way to success" in card.inner_text()
    assert "distance to success: 3" in page.locator(".pane").inner_text()
    assert str(found.task_key) in page.locator("#where").inner_text()
    for wrong in ("episode=999999", "episode=-1", "episode=../x", "episode=1e2"):
        page.evaluate("query => { location.hash = query }", wrong)
        page.wait_for_function("() => document.getElementById('episode').hidden")


def test_the_keyboard_is_enough(open_page: Open, report: tuple[Path, Report]) -> None:
    number, found = find(report[1], lambda e: e.mode == "cot" and len(e.steps) > 4)
    n = len(found.steps)
    page = open_page(f"episodes.html#episode={number}")
    shown(page, f"Step 1 of {n}")
    for key, expected in (("ArrowRight", 2), ("ArrowRight", 3), ("ArrowLeft", 2)):
        page.keyboard.press(key)
        shown(page, f"Step {expected} of {n}")
    from cotgap.benchmark.report.revisions import verdict

    revised = [k for k, s in enumerate(found.steps) if verdict(s) not in (None, "same")]
    page.keyboard.press("r")
    after = [k for k in revised if k > 1] or revised
    shown(page, f"Step {after[0] + 1} of {n}")
    page.keyboard.press("]")
    page.wait_for_function("n => location.hash.includes(`episode=${n}`)", arg=number + 1)
    page.keyboard.press("[")
    page.wait_for_function("n => location.hash.includes(`episode=${n}`)", arg=number)
    page.keyboard.press("/")
    page.keyboard.type("d]")
    assert page.get_by_label("Task or goal").input_value() == "d]", "keys are text in a field"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "SELECT"
    page.locator("h1").click()
    page.keyboard.press("?")
    assert page.get_by_role("dialog").is_visible()
    page.keyboard.press("Escape")
    assert not page.get_by_role("dialog").is_visible()


def test_links_of_the_list_take_focus_and_enter(open_page: Open) -> None:
    page = open_page("episodes.html")
    link = page.locator("#episodes a").nth(3)
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("() => location.hash.includes('episode=3')")
    assert link.get_attribute("aria-current") == "true"


def test_first_divergence(open_page: Open, report: tuple[Path, Report]) -> None:
    number, found = find(report[1], lambda e: e.mode == "cot" and len(e.steps) > 4)
    episodes = report[1].runs[0].episodes
    other = next(
        k
        for k, e in enumerate(episodes)
        if (e.task_key, e.repeat, e.mode) == (found.task_key, found.repeat, "prompt")
    )
    mine, theirs = (
        [s.canonical.get(e.mode, s.decision.action) for s in e.steps]
        for e in (found, episodes[other])
    )
    most = max(len(mine), len(theirs))
    pad = [("over",)]
    pairs = zip(mine + pad * (most - len(mine)), theirs + pad * (most - len(theirs)), strict=True)
    expected = next(k for k, (a, b) in enumerate(pairs) if a != b) + 1
    page = open_page(f"episodes.html#episode={number}&step=2")
    shown(page, f"Step 2 of {len(mine)}")
    page.keyboard.press("d")
    shown(page, f"Step {expected} of {most}")
    assert f"compare={other}" in page.url
    assert f"First divergence at step {expected}" in page.locator("#divergence").inner_text()
    assert page.locator(".pane").count() == 2
    assert page.locator("#steps .differs").count() >= 1
    page.get_by_label("Compare with").select_option("")
    page.wait_for_function("() => document.querySelectorAll('.pane').length === 1")


def test_links_of_other_pages_filter(open_page: Open) -> None:
    page = open_page("revisions.html")
    page.locator("a", has_text="harmful").first.click()
    page.wait_for_selector("#episodes a")
    assert page.get_by_label("Revision").input_value() == "harmful"
    assert page.get_by_label("Run", exact=True).input_value() == "0"


def hostile_run(folder: Path) -> Path:
    """A run in which every text that a record may choose is an attack."""

    def attack(given: str | None) -> str | None:
        return None if given is None else HOSTILE + given

    def poisoned(found: Episode) -> Episode:
        steps = []
        for s in found.steps:
            bad = [
                replace(
                    d,
                    thought=HOSTILE * 50,
                    raw=HOSTILE,
                    action=attack(d.action),
                    parse_error=attack(d.parse_error),
                    finish_reason=HOSTILE,
                )
                for d in (s.decision, *s.shadows.values())
            ]
            canonical = {mode: f"{HOSTILE}{text}" for mode, text in s.canonical.items()}
            steps.append(
                replace(
                    s,
                    observation=f"{HOSTILE}\n{'x' * 2_000_000}" if not steps else HOSTILE,
                    decision=bad[0],
                    shadows={d.mode: d for d in bad[1:]},
                    canonical=canonical,
                )
            )
        return replace(
            found,
            task_key=replace(found.task_key, split=f"id{HOSTILE}", task=f"../../{HOSTILE}"),
            task_kind=HOSTILE,
            goal=HOSTILE,
            final_observation=HOSTILE,
            protocol=HOSTILE,
            steps=tuple(steps),
            error=HOSTILE,
        )

    odd = episode("odd", HOSTILE, steps=[replace(step("x", "y"), decision=decision(HOSTILE, "y"))])
    episodes = [poisoned(e) for e in [*random_run(1, tasks=1, repeats=1), odd]]
    return write_run(folder, episodes, name=HOSTILE)


def test_hostile_records_are_only_text(browser: Browser, tmp_path: Path) -> None:
    run = load_run(hostile_run(tmp_path / "run"))
    out = tmp_path / "nested" / "out"
    pages = build.write(Report((run,)), out)
    names = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert all(re.fullmatch(r"[a-z-]+\.(html|css|js)|episodes/\d+\.js", name) for name in names)
    assert {path.name for path in tmp_path.iterdir()} == {"run", "nested"}
    assert sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) < 2_000_000
    for open_it in opener(browser, out):
        for path in pages:
            page = open_it(path.name)
            sources = page.eval_on_selector_all("script", "found => found.map(s => s.outerHTML)")
            expected = 2 if path.name == "episodes.html" else 0
            assert len([s for s in sources if "src=" in s]) == len(sources) == expected
            assert page.locator("img").count() == 0
            assert "\u202e" not in page.content()
            assert "\u0000" not in page.content()
            assert page.evaluate("window.pwned") is None
        for number, found in enumerate(run.episodes):
            for at in range(len(found.steps)):
                page.evaluate("q => { location.hash = q }", f"episode={number}&step={at + 1}")
                shown(page, f"Step {at + 1} of {len(found.steps)}")
                assert page.locator("img, main script").count() == 0
                assert page.evaluate("window.pwned") is None
            assert "<script>window.pwned=1</script>" in page.locator("#goal").inner_text()
        page.get_by_label("Mode").select_option(index=1)
        assert page.evaluate("window.pwned") is None


def test_500_episodes_load_one_by_one(browser: Browser, tmp_path: Path) -> None:
    episodes = random_run(3, tasks=125, repeats=2)
    build.write(Report((load_run(write_run(tmp_path / "run", episodes)),)), tmp_path / "out")
    assert len(episodes) == 500
    loaded: list[str] = []
    for open_it in opener(browser, tmp_path / "out"):
        page = open_it("episodes.html")
        page.on("request", lambda request: loaded.append(request.url.rpartition("/")[2]))
        assert count(page) == 500
        assert page.locator("#episodes a").count() == 100
        page.get_by_role("button", name="Show more").click()
        assert page.locator("#episodes a").count() == 200
        page.locator("#episodes a").nth(7).click()
        page.wait_for_selector(".decision")
        page.locator("#steps button").last.click()
    assert loaded == ["7.js"]

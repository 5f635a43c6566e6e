"""The site in a real browser, from the file system; hostile entries among the honest ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cotgap.leaderboards.boards.core import boards
from cotgap.leaderboards.site.build import Built, write
from tests.browser import new_context
from tests.leaderboards.building import some_entry
from tests.leaderboards.hostile import hostile_entry
from tests.report.test_browser import LOW_CONTRAST, Open, opener

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TIERS = ("self-reported", "replayed", "re-decoded")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Built]:
    folder = tmp_path_factory.mktemp("boards") / "site"
    names = ("delta", "gamma", "beta", "alpha")
    entries = [
        some_entry(name, n, tier=TIERS[n % 3], organisation="A group", url="https://example.org")
        for n, name in enumerate(names)
    ]
    return folder, write([*entries, hostile_entry()], folder)


@pytest.fixture
def open_page(browser: Browser, site: tuple[Path, Built]) -> Iterator[Open]:
    yield from opener(browser, site[0])


def names(site: tuple[Path, Built], *entries: str) -> list[str]:
    """The pages' addresses: all at the top, and those of some entries."""
    found = [str(page.relative_to(site[0])) for page in site[1].pages]
    return [n for n in found if "/" not in n or n.split("/")[1] in entries]


def test_pages_are_sound(open_page: Open, site: tuple[Path, Built]) -> None:
    for name in names(site, "alpha", "hostile"):
        page = open_page(name)
        assert page.locator("main h1").count() == 1, name
        current = page.locator("nav [aria-current=page]").count()
        assert current == 1, name
        doubled = page.evaluate(
            "() => { const ids = [...document.querySelectorAll('[id]')].map(e => e.id);"
            " return ids.filter((id, i) => ids.indexOf(id) !== i) }"
        )
        assert doubled == [], name
        unnamed = page.evaluate(
            "() => [...document.querySelectorAll('main svg:not([aria-hidden])')].filter(e => "
            "!e.parentElement.closest('svg') && !(e.getAttribute('role') === 'img' && "
            "e.getAttribute('aria-label'))).length"
        )
        assert unnamed == 0, name
        for table in page.locator("table").all():
            assert table.locator("th[scope=col]").count() >= 2, name
            assert table.locator("th[scope=row]").count() >= 1, name
            widths = table.evaluate(
                "t => [...t.rows].map(r => [...r.cells].reduce((n, c) => n + c.colSpan, 0))"
            )
            assert len(set(widths)) == 1, (name, widths)
        page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_every_width_and_scheme(
    browser: Browser, site: tuple[Path, Built], scheme: str, width: int
) -> None:
    """No page is wider than the screen, and text stands out, whatever the entries hold."""
    size = {"width": width, "height": 800}
    for open_it in opener(browser, site[0], color_scheme=scheme, viewport=size):
        for name in names(site, "alpha", "hostile"):
            page = open_it(name + ("#episode=1&step=1" if "episodes" in name else ""))
            if "episodes" in name:
                page.wait_for_selector("#panes article")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
            assert page.evaluate(LOW_CONTRAST) == [], name
            page.close()


def test_hostile_entries_do_nothing(browser: Browser, site: tuple[Path, Built]) -> None:
    """Nothing runs, nothing is asked for, nothing is injected, nothing grows without bound."""
    asked: list[str] = []
    for open_it in opener(browser, site[0], viewport={"width": 1280, "height": 900}):
        for name in names(site, "hostile"):
            page = open_it("index.html")
            page.on("request", lambda request: asked.append(request.url))
            hash_ = "#episode=0&step=1" if "episodes" in name else ""
            page.goto(f"{site[0].as_uri()}/{name}{hash_}")
            if hash_:
                page.wait_for_selector("#panes article")
            assert page.evaluate("window.pwned") is None, name
            injected = page.locator("img, iframe, object, svg[onload], [onerror], [onload]")
            assert injected.count() == 0, name
            assert page.locator("a[href^='javascript:' i], a[href^='data:' i]").count() == 0
            text = page.locator("main").inner_text()
            assert not set(text) & set("\u202e\u200b\u2028\x00"), name
            assert "49" not in page.title()
            assert page.evaluate("document.documentElement.scrollHeight") < 30_000, name
            page.close()
    assert asked
    assert {url.partition(":")[0] for url in asked} == {"file"}
    assert all(url.startswith(site[0].as_uri()) for url in asked)


def test_links_to_elsewhere_give_nothing_away(open_page: Open) -> None:
    link = open_page("entries/alpha/index.html").locator("a[href='https://example.org']")
    assert set((link.get_attribute("rel") or "").split()) >= {"nofollow", "noopener"}
    hostile = open_page("entries/hostile/index.html")
    assert hostile.locator("main a[href^='http']").count() == 0


def test_policy_forbids_inline_code(browser: Browser, site: tuple[Path, Built]) -> None:
    context = new_context(browser)
    for name in names(site, "alpha"):
        page = context.new_page()
        page.goto(f"{site[0].as_uri()}/{name}")
        page.evaluate(
            "() => { const s = document.createElement('script'); s.textContent = 'window.x = 1';"
            " document.head.append(s); document.body.setAttribute('onclick', 'window.x = 1');"
            " document.body.click(); }"
        )
        assert page.evaluate("window.x") is None, name
        page.close()
    context.close()


# Sorting and filtering.


def column(page: Page, place: int) -> list[str]:
    """The sort keys of a column of the first table, from the top."""
    return page.eval_on_selector(
        "section.table:not([hidden]) table",
        "(t, place) => [...t.tBodies[0].rows].map(r => r.children[place].dataset.value)",
        place,
    )


def test_sorting_by_keyboard(open_page: Open) -> None:
    page = open_page("success.html")
    headers = page.locator("section.table table").first.locator("thead th")
    assert headers.locator("button").count() == headers.count()
    assert page.locator("section.table table").first.locator("[aria-sort]").count() == 1
    before = column(page, 1)
    headers.nth(1).locator("button").focus()
    page.keyboard.press("Enter")
    assert column(page, 1) == sorted(before, key=str.lower) != before
    assert headers.nth(1).get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Space")
    assert column(page, 1) == sorted(before, key=str.lower)[::-1]
    assert headers.nth(1).get_attribute("aria-sort") == "descending"
    assert page.locator("section.table table").first.locator("[aria-sort]").count() == 1
    steps = page.locator("section.table table").first.get_by_role("button", name="steps")
    place = steps.evaluate("b => [...b.closest('tr').children].indexOf(b.closest('th'))")
    steps.focus()
    for wanted in (True, False):
        page.keyboard.press("Enter")
        numbers = list(map(float, column(page, place)))
        assert numbers == sorted(numbers, reverse=wanted)


@pytest.mark.parametrize("board", boards())
def test_every_column_sorts(open_page: Open, board: str) -> None:
    page = open_page(f"{board}.html")
    table = page.locator("section.table table").first
    for header in table.locator("thead th").all():
        place = header.evaluate("h => [...h.parentElement.children].indexOf(h)")
        keys = sorted(column(page, place))
        header.locator("button").click()
        assert sorted(column(page, place)) == keys, "no row is lost"
        assert header.get_attribute("aria-sort") in ("ascending", "descending")


def test_filters_by_keyboard(open_page: Open) -> None:
    page = open_page("success.html")
    status = page.get_by_role("status")
    everything = status.inner_text()
    tables = page.locator("section.table:visible").count()
    page.get_by_label("Mode", exact=True).focus()
    page.keyboard.press("ArrowDown")
    assert "mode=cot" in page.url
    assert page.locator("section.table:visible").count() == tables // 2
    assert page.locator("section.table:visible[data-mode=prompt]").count() == 0
    page.get_by_label("Checked", exact=True).select_option("re-decoded")
    rows = page.locator("section.table:visible tbody:not(.beside) tr:visible")
    assert rows.count() > 0
    assert set(rows.evaluate_all("rows => rows.map(r => r.dataset.tier)")) == {"re-decoded"}
    assert status.inner_text().startswith(f"{rows.count()} row")
    page.get_by_label("Panel", exact=True).select_option("toy/ood_layout")
    assert page.locator("section.table:visible").count() == 1
    page.get_by_role("button", name="Clear").focus()
    page.keyboard.press("Enter")
    page.wait_for_function(
        "n => document.querySelector('#count').textContent === n", arg=everything
    )
    again = open_page("success.html#mode=prompt&tier=nonsense")
    assert again.locator("section.table:visible[data-mode=cot]").count() == 0
    assert again.get_by_label("Checked", exact=True).input_value() == ""


def test_what_fits_nothing_is_said(open_page: Open) -> None:
    page = open_page("success.html#panel=toy/ood_layout&tier=replayed&dtype=not told")
    assert page.locator("#none").is_hidden()
    page.evaluate("location.hash = 'suite=toy&mode=cot&dtype=not told&tier=replayed'")
    page.get_by_label("Precision", exact=True).evaluate(
        "s => { s.selectedIndex = [...s.options].findIndex(o => o.value.startsWith('</script'));"
        " s.dispatchEvent(new Event('input', {bubbles: true})) }"
    )
    page.get_by_label("Checked", exact=True).select_option("self-reported")
    assert page.locator("#none").is_visible()
    assert page.locator("section.table:visible").count() == 0


def test_from_a_board_to_a_step(open_page: Open) -> None:
    """Board, entry, episodes: only the one that is looked at is loaded."""
    page = open_page("cot_gap.html")
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url))
    page.get_by_role("link", name="alpha").first.click()
    page.get_by_role("link", name="Look at its episodes").click()
    page.locator("#episodes a").nth(2).click()
    page.wait_for_selector("#panes article")
    assert [url.rpartition("/")[2] for url in loaded if "/episodes/" in url] == ["2.js"]
    page.get_by_role("link", name="Entry", exact=True).click()
    page.locator(".run a", has_text="success").first.click()
    page.wait_for_selector("#episodes a")
    assert "outcome=success" in page.url

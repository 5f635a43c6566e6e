from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotgap.benchmark.report.text import LONGEST, clip, shorten, visible
from cotgap.benchmark.report.trajectories import payload, row, script
from tests.benchmark.building import episode, random_run, step


def parsed(text: str) -> object:
    """The one argument of a script, read as a browser would (JSON is JavaScript)."""
    head, tail = "cotgap.episode(", ");\n"
    assert text.startswith(head)
    assert text.endswith(tail)
    return json.loads(text[len(head) : -len(tail)])


@given(st.text(st.characters(codec=None)))
def test_a_script_holds_any_text_and_nothing_ends_it(text: str) -> None:
    written = script("episode", text)
    assert parsed(written) == text
    assert written.isascii()
    assert not set("<>&") & set(written)
    assert written.count("\n") == 1


def test_a_row_counts_what_the_filters_ask_for() -> None:
    for e in random_run(5):
        found = row(e, 2)
        assert found["run"] == 2
        assert found["steps"] == len(e.steps)
        missing = [
            any(d.action is None for d in (s.decision, *s.shadows.values())) for s in e.steps
        ]
        assert found["unparsed"] == sum(missing)
        if e.mode == "prompt":
            assert found["verdicts"] == {}


def test_a_payload_holds_every_step() -> None:
    costs = {"state": 3, "prompt": None, "cot": 2}
    seen = step("cot", "go", ("prompt", "stay"), costs)
    shown = payload(episode("a", "cot", steps=[seen]))["steps"]
    assert len(shown) == 1
    assert shown[0]["driver"] == "cot"
    assert shown[0]["verdict"] == "helpful"
    assert (shown[0]["judged"], shown[0]["distance"]) == (True, 3)
    assert {m: d["action"] for m, d in shown[0]["decisions"].items()} == {
        "cot": "go",
        "prompt": "stay",
    }
    assert shown[0]["decisions"]["prompt"]["distance"] is None
    assert shown[0]["decisions"]["prompt"]["judged"] is True
    bare = payload(episode("a", "cot", steps=[step("cot", "go")]))["steps"][0]
    assert (bare["judged"], bare["decisions"]["cot"]["judged"]) == (False, False)


def test_what_cannot_be_seen_is_written_out() -> None:
    assert visible("a\u202eb\x00c\ud800") == "a⟨U+202E⟩b⟨U+0000⟩c⟨U+D800⟩"
    assert visible("tab\t and\nline, שלום, 日本語 👩‍👩‍👧") == "tab\t and\nline, שלום, 日本語 👩‍👩‍👧"
    assert visible("\r\n") == "⟨U+000D⟩\n"


@pytest.mark.parametrize("text", ["x" * 200, "x", "", "e" + "\u0301" * 500, "\u202e" * 90])
def test_names_are_short(text: str) -> None:
    assert len(clip(text, 50)) <= 50
    assert "\u0301\u0301" not in clip(text, 50)


def test_long_texts_say_what_is_missing() -> None:
    text = "a" * LONGEST + "b" * LONGEST
    assert len(shorten(text)) < LONGEST + 100
    assert f"{LONGEST:,} characters" in shorten(text)
    assert shorten("short") == "short"

"""Every mode keeps its promises; prompt and cot parse strictly and lose nothing."""

from __future__ import annotations

from dataclasses import astuple
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotgap.agents.core import Mode, Tags
from cotgap.agents.modes import get_mode, modes
from cotgap.agents.modes.parsing import ParseError
from cotgap.agents.text import cut_at_stop
from cotgap.envs.core import UnknownNameError

TAGS = Tags()
# Text in which tags, broken tags and near-tags are frequent.
PIECES = st.sampled_from(
    [*astuple(TAGS), "<action", "/action>", "< action>", " ", "\n", "\u00a0", "go to desk 1", "é"]
)
TAGGED = st.lists(PIECES | st.text(max_size=5), max_size=12).map("".join)
PLAIN = st.text(max_size=40).filter(lambda text: not any(tag in text for tag in astuple(TAGS)))

every_mode = pytest.mark.parametrize("mode", modes().values(), ids=lambda mode: mode.name)


def test_the_modes_are_found_by_scan() -> None:
    assert list(modes()) == ["cot", "prompt"]
    with pytest.raises(UnknownNameError, match="'prompt'"):
        get_mode("promt")


@every_mode
@given(action=PLAIN.filter(str.strip), thought=PLAIN)
def test_what_a_mode_writes_it_reads_back(mode: Mode, action: str, thought: str) -> None:
    raw = mode.write(action, thought, TAGS)
    assert raw.startswith(mode.prefill(TAGS))
    assert cut_at_stop(raw + "\nmore", mode.stop(TAGS)) == (raw, True)
    assert mode.parse(raw, TAGS) == (action, thought if mode.thinks else None, None)


@every_mode
@given(text=TAGGED)
def test_any_reply_gives_an_action_or_a_known_error(mode: Mode, text: str) -> None:
    raw = mode.prefill(TAGS) + text
    action, thought, error = mode.parse(raw, TAGS)
    assert (action is None) == (error is not None)
    if action is not None:
        assert f"{TAGS.action_open}{action}{TAGS.action_close}" in raw
        assert action.strip()
        assert not any(tag in action for tag in astuple(TAGS))
    else:
        assert error in get_args(ParseError)
    if thought is not None:
        assert raw.startswith(f"{TAGS.think_open}{thought}")
        assert TAGS.think_close not in thought
    # What a backend cuts off behind the stop string cannot matter.
    cut = mode.prefill(TAGS) + cut_at_stop(text, mode.stop(TAGS))[0]
    if error is None and not (thought and TAGS.action_close in thought):
        between = raw.partition(TAGS.think_close)[2].partition(TAGS.action_open)[0]
        if TAGS.action_close not in between:
            assert mode.parse(cut, TAGS) == (action, thought, None)


@every_mode
def test_other_tags_are_honoured(mode: Mode) -> None:
    tags = Tags("[THINK]", "[/THINK]", "<tool_call>", "</tool_call>")
    raw = mode.write("look <action>", "hm </think>", tags)
    assert mode.parse(raw, tags)[::2] == ("look <action>", None)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("<action>put mug 1 in/on desk 2</action>", ("put mug 1 in/on desk 2", None)),
        ("<action>  go to  desk 1\n</action>", ("  go to  desk 1\n", None)),
        ("<action>take café crème № 5 — «x»</action>", ("take café crème № 5 — «x»", None)),
        ("<action>a < b > c & d</action>", ("a < b > c & d", None)),
        ('<action>mv(source="a\\"b", n=3)</action>', ('mv(source="a\\"b", n=3)', None)),
        ("<action>look</action> and more</action>", ("look", None)),
        ("<action>look</action", (None, "unclosed_action")),
        ("<action>", (None, "unclosed_action")),
        ("<action>look</ACTION>", (None, "unclosed_action")),
        ("<action></action>", (None, "empty_action")),
        ("<action> \n\t\u00a0</action>", (None, "empty_action")),
        ("<action><action>look</action>", (None, "nested_tag")),
        ("<action><think>hm</think>look</action>", (None, "nested_tag")),
        ("<action>look</think></action>", (None, "nested_tag")),
        ("look", (None, "no_action")),
        ("", (None, "no_action")),
    ],
)
def test_prompt(raw: str, expected: tuple[str | None, str | None]) -> None:
    action, thought, error = get_mode("prompt").parse(raw, TAGS)
    assert (action, error) == expected
    assert thought is None


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (
            "<think>The mug is here.\n\nSo:</think>\n\n<action>take mug 1 from desk 2</action>",
            ("take mug 1 from desk 2", "The mug is here.\n\nSo:", None),
        ),
        ("<think></think><action>look</action>", ("look", "", None)),
        ("<think>é\n</think>then <action> look</action>", (" look", "é\n", None)),
        (
            "<think>say <action>look</action>? no</think><action>go</action>",
            ("go", "say <action>look</action>? no", None),
        ),
        ("<think>a<think>b</think><action>go</action>", ("go", "a<think>b", None)),
        ("<think>a</think>b</think><action>go</action>", ("go", "a", None)),
        ("<think>I go <action>go</action>", (None, "I go <action>go</action>", "unclosed_thought")),
        ("<think>I wonder", (None, "I wonder", "unclosed_thought")),
        ("<think>", (None, "", "unclosed_thought")),
        ("<think>a</think>", (None, "a", "no_action")),
        ("<think>a</think>go to desk 1</action>", (None, "a", "no_action")),
        ("<think>a</think><action>go to", (None, "a", "unclosed_action")),
        ("<think>a</think><action> </action>", (None, "a", "empty_action")),
        ("<think>a</think><action>x<action>y</action>", (None, "a", "nested_tag")),
        ("<action>look</action>", (None, None, "no_thought")),
        (" <think>a</think><action>look</action>", (None, None, "no_thought")),
    ],
)
def test_cot(raw: str, expected: tuple[str | None, str | None, str | None]) -> None:
    assert get_mode("cot").parse(raw, TAGS) == expected

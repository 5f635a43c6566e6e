"""Protocol ids, and the pinned text of the system message."""

from __future__ import annotations

import pytest

from cotgap.agents.core import Tags
from cotgap.agents.protocol import PromptProtocol, system_message
from cotgap.envs.core import CoTGapError


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("tags-1", "tags-1"),
        ("tags-1+admissible", "tags-1+admissible"),
        ("tags-1+shots=2", "tags-1+shots=2"),
        ("tags-1+thoughts", "tags-1+thoughts"),
        ("tags-1+asked", "tags-1+asked"),
        ("tags-1+thoughts+shots=12+admissible", "tags-1+admissible+shots=12+thoughts"),
        ("tags-1+thoughts+asked+admissible", "tags-1+admissible+asked+thoughts"),
    ],
)
def test_ids_are_read_and_written(text: str, canonical: str) -> None:
    protocol = PromptProtocol.parse(text)
    assert str(protocol) == canonical
    assert PromptProtocol.parse(canonical) == protocol


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tags-2", "unknown protocol 'tags-2'.*'tags-1'"),
        ("", "unknown protocol ''"),
        ("admissible", "unknown protocol"),
        ("tags-1+", "unknown protocol option ''"),
        ("tags-1+admisible", "Did you mean 'admissible'"),
        ("tags-1+shots", "K is 1 to 99"),
        ("tags-1+shots=0", "K is 1 to 99"),
        ("tags-1+shots=-1", "K is 1 to 99"),
        ("tags-1+shots=two", "K is 1 to 99"),
        ("tags-1+shots=1+shots=2", "'shots' twice"),
        ("tags-1+thoughts+thoughts", "'thoughts' twice"),
    ],
)
def test_anything_else_is_refused(text: str, message: str) -> None:
    with pytest.raises(CoTGapError, match=message):
        PromptProtocol.parse(text)


def test_the_system_message_of_tags_1_is_this_text() -> None:
    assert system_message("Tidy the room.\n", Tags(), "put mug 1 in/on desk 2") == (
        "Tidy the room.\n"
        "\n"
        "Reply with your next action between <action> and </action>, one action per reply and "
        "nothing after it. A reply can be the action alone:\n"
        "<action>put mug 1 in/on desk 2</action>\n"
        "Or you reason about it first, between <think> and </think>:\n"
        "<think>The task needs this next.</think>\n"
        "<action>put mug 1 in/on desk 2</action>"
    )

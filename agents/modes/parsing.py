"""What all modes' parsers share."""

from __future__ import annotations

from typing import Literal

from cotgap.agents.core import Tags

ParseError = Literal[
    "no_thought",  # the reply does not begin with the opening think tag
    "unclosed_thought",  # the reasoning never ends
    "no_action",  # no opening action tag where one must be
    "unclosed_action",  # the action never ends (also when cut by the token limit)
    "empty_action",  # nothing but white space between the action tags
    "nested_tag",  # the action holds one of the four tags
]


def parse_action(text: str, tags: Tags) -> tuple[str | None, ParseError | None]:
    """(action, error) of the text right after an opening action tag.

    The action is what stands before the first closing tag, byte for byte: environments decide
    what white space means to them.
    """
    action, closed, _ = text.partition(tags.action_close)
    if not closed:
        return None, "unclosed_action"
    if not action.strip():
        return None, "empty_action"
    every = (tags.think_open, tags.think_close, tags.action_open, tags.action_close)
    if any(tag in action for tag in every):
        return None, "nested_tag"
    return action, None

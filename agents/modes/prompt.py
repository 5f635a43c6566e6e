"""Mode prompt: the reply is prefilled with the opening action tag, so the action comes at once."""

from __future__ import annotations

from cotgap.agents.core import Mode, Tags
from cotgap.agents.modes.parsing import parse_action


class PromptMode:
    """See the module."""

    name = "prompt"
    thinks = False

    def prefill(self, tags: Tags) -> str:
        """The opening action tag."""
        return tags.action_open

    def stop(self, tags: Tags) -> tuple[str, ...]:
        """The closing action tag."""
        return (tags.action_close,)

    def parse(self, raw: str, tags: Tags) -> tuple[str | None, str | None, str | None]:
        """(action, None, error); the errors are those of `ParseError`."""
        if not raw.startswith(tags.action_open):
            return None, None, "no_action"
        action, error = parse_action(raw.removeprefix(tags.action_open), tags)
        return action, None, error

    def write(self, action: str, thought: str, tags: Tags) -> str:
        """The action between its tags."""
        return f"{tags.action_open}{action}{tags.action_close}"


MODE: Mode = PromptMode()

"""Mode cot: the reply starts with the reasoning tag; the action follows the closed reasoning."""

from __future__ import annotations

from cotgap.agents.core import AFTER_THOUGHT, Mode, Tags
from cotgap.agents.modes.parsing import parse_action


class CotMode:
    """See the module."""

    name = "cot"
    thinks = True

    def prefill(self, tags: Tags) -> str:
        """The opening think tag."""
        return tags.think_open

    def stop(self, tags: Tags) -> tuple[str, ...]:
        """The closing action tag."""
        return (tags.action_close,)

    def parse(self, raw: str, tags: Tags) -> tuple[str | None, str | None, str | None]:
        """(action, thought, error); the errors are those of `ParseError`.

        The thought ends at the first closing think tag (an unclosed one is all there is), and the
        action is the first one after it, whatever stands between them.
        """
        if not raw.startswith(tags.think_open):
            return None, None, "no_thought"
        body = raw.removeprefix(tags.think_open)
        thought, closed, rest = body.partition(tags.think_close)
        if not closed:
            return None, thought, "unclosed_thought"
        _, opened, text = rest.partition(tags.action_open)
        if not opened:
            return None, thought, "no_action"
        action, error = parse_action(text, tags)
        return action, thought, error

    def write(self, action: str, thought: str, tags: Tags) -> str:
        """The thought and the action between their tags."""
        reasoning = f"{tags.think_open}{thought}{tags.think_close}"
        return f"{reasoning}{AFTER_THOUGHT}{tags.action_open}{action}{tags.action_close}"


MODE: Mode = CotMode()

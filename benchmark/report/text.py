"""Text of records, made safe to look at. Escaping is the template engine's; this is before it."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 20_000
"""Characters of one text (an observation, a thought, a reply) that a page shows."""
NAME = 120
"""Characters of a name (an agent, a panel, a task) that a page shows."""

# Characters that hide, reorder or break what stands beside them: controls but tab and line feed,
# bidirectional marks and overrides, line separators, invisible operators and halves of surrogates.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]"
)


def visible(text: str) -> str:
    """The text with every character that cannot be seen, or reorders others, written as ⟨U+…⟩."""
    return _UNSEEN.sub(lambda found: f"⟨U+{ord(found.group()):04X}⟩", text)


def clip(text: str, longest: int = NAME) -> str:
    """At most `longest` characters and an ellipsis; combining marks are not left to pile up."""
    text = visible(text)
    if sum(map(bool, map(unicodedata.combining, text))) > len(text) // 2:
        text = "".join(c for c in text if not unicodedata.combining(c))
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def shorten(text: str, longest: int = LONGEST) -> str:
    """A long text cut in the middle, saying how much is missing."""
    text = visible(text)
    if len(text) <= longest:
        return text
    half = longest // 2
    missing = len(text) - 2 * half
    return f"{text[:half]}\n[… {missing:,} characters are in the run's records …]\n{text[-half:]}"

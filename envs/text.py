"""Text that may hold half a character.

A server that cuts an emoji in two sends half of a surrogate pair. Python holds that, JSON writes it
as an escape, and neither UTF-8 nor a tokenizer knows it.
"""

from __future__ import annotations

import json
import re
from typing import Any

HALVES = re.compile("[\ud800-\udfff]")


def joined(text: str) -> str:
    """The text with both halves of a character, where they stand together, as that character.

    This is the form that JSON gives back as it was.
    """
    if not HALVES.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def readable(text: str) -> str:
    """The text with U+FFFD for each half character: what a tokenizer or UTF-8 can take."""
    if not HALVES.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def to_json(content: Any, **options: Any) -> str:
    """JSON that UTF-8 can hold, with half characters as escapes; `options` are `json.dumps`'s."""
    text = json.dumps(content, ensure_ascii=False, **options)
    return HALVES.sub(lambda half: f"\\u{ord(half.group()):04x}", text)

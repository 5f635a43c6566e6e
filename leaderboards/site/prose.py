"""Docstrings, made ready for a page."""

from __future__ import annotations

import inspect
import re

from markupsafe import Markup, escape


def prose(text: str) -> Markup:
    """Our own docstring as HTML: paragraphs, `- ` lists, `code`, *emphasis*; the rest escaped."""
    blocks = re.split(r"\n\s*\n", inspect.cleandoc(text))
    return Markup("\n").join(map(_block, blocks))


def _block(text: str) -> Markup:
    if not text.startswith("- "):
        return Markup("<p>{}</p>").format(_inline(text))
    items = re.split(r"\n- ", text[2:])
    return Markup("<ul>{}</ul>").format(
        Markup("").join(Markup("<li>{}</li>").format(_inline(item)) for item in items)
    )


def _inline(text: str) -> Markup:
    found = str(escape(" ".join(text.split())))
    found = re.sub(r"`([^`]+)`", r"<code>\1</code>", found)
    return Markup(re.sub(r"(?<!\w)\*([^*<>]+)\*(?!\w)", r"<em>\1</em>", found))

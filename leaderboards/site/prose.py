"""Docstrings and submitted texts, made ready for a page."""

from __future__ import annotations

import inspect
import re
from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup, escape

from benchmark.report.text import visible


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


def web_address(text: Any) -> str:
    """The text if it is a plain http or https address, else empty: a page links nothing else."""
    if not isinstance(text, str) or len(text) > 300 or visible(text) != text or not text.isascii():
        return ""
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    plain = re.fullmatch(r"[^\s<>\"'`\\]+", text) and parts.username is None
    return text if parts.scheme in ("http", "https") and parts.hostname and plain else ""

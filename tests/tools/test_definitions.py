"""The document of definitions is what the docstrings say now."""

from __future__ import annotations

from pathlib import Path

from tools.definitions import markdown

ROOT = Path(__file__).parents[2]


def test_the_document_is_up_to_date() -> None:
    text = (ROOT / "docs" / "definitions.md").read_text(encoding="utf-8")
    assert text == markdown(), "python -m tools.definitions > docs/definitions.md"

"""Pages from templates: everything is escaped, and what cannot be seen is written out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from cotgap.benchmark.report.text import clip, visible

HERE = Path(__file__).parent
# Scripts and styles come from the report's own folder, never from a page or from elsewhere.
# Some browsers do not count a neighbouring file as 'self', hence `file:`.
POLICY = (
    "default-src 'none'; script-src 'self' file:; style-src 'self' file:; img-src 'self' file:; "
    "base-uri 'none'; form-action 'none'"
)


def pages(*folders: Path) -> Environment:
    """The templates of these folders, then the report's.

    A name that a template does not get is an error, never an empty space.
    """
    environment = Environment(
        loader=FileSystemLoader([*folders, HERE / "templates"]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters["clip"] = clip
    environment.filters["actions"] = actions
    environment.globals["policy"] = POLICY
    environment.globals["assets"] = ""
    environment.globals["pairs"] = lambda values: [(value, value) for value in values]
    return environment


def render(environment: Environment, template: str, values: Mapping[str, Any]) -> bytes:
    """A page as UTF-8."""
    return environment.get_template(template).render(values).encode("utf-8")


def actions(text: str) -> Markup:
    """A text of ours with aₚ and a꜀ as elements: few fonts have those letters."""
    safe = escape(visible(text))
    return Markup(
        safe.replace("aₚ", Markup("a<sub>p</sub>")).replace("a꜀", Markup("a<sub>c</sub>"))
    )


def _finalize(value: Any) -> Any:
    plain = isinstance(value, str) and not isinstance(value, Markup)
    return visible(value) if plain else value

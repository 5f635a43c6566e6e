"""Figures as inline SVG that follow the page's colours, in light and in dark.

Figures are drawn in stand-in colours, which `to_svg` turns into classes that the style sheet
colours (`f-NAME` fills, `s-NAME` strokes). Text stays text, and no style is written inline, so
that the page can forbid inline styles.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from markupsafe import Markup

from cotgap.benchmark.report.text import clip
from cotgap.benchmark.stats.intervals import Estimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
NAMES = "ink muted line prompt cot helpful harmful neutral other1 other2 other3 paper".split()
COLOURS = {name: f"#0{number:x}0{number:x}fe" for number, name in enumerate(NAMES, 1)}
"""Stand-in colour of each name of the style sheet."""
_BY_COLOUR = {colour: name for name, colour in COLOURS.items()}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a name of a record is no formula
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": COLOURS["ink"],
    "axes.edgecolor": COLOURS["line"],
    "axes.labelcolor": COLOURS["muted"],
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": COLOURS["ink"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "grid.color": COLOURS["line"],
    "grid.linewidth": 0.7,
    "xtick.color": COLOURS["line"],
    "ytick.color": COLOURS["line"],
    "xtick.labelcolor": COLOURS["muted"],
    "ytick.labelcolor": COLOURS["muted"],
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "savefig.edgecolor": "none",
    "legend.frameon": False,
}


@contextmanager
def figure(width: float, height: float) -> Iterator[Figure]:
    """A figure of that size in CSS pixels, in the report's style."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        yield Figure(figsize=(width / 96, height / 96), dpi=96, layout="constrained")


def to_svg(drawn: Figure, title: str) -> Markup:
    """The figure as an `svg` element named `title`; the same drawing gives the same text."""
    import matplotlib

    raw = io.BytesIO()
    salt = hashlib.sha256(title.encode("utf-8", "replace")).hexdigest()[:12]
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with matplotlib.rc_context({"svg.hashsalt": salt}):
        drawn.savefig(raw, format="svg", metadata=nothing)
    root = ElementTree.fromstring(raw.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                parent.remove(child)
    used = _references(root)
    for element in root.iter():
        _restyle(element)
        if element.get("id") not in used:
            element.attrib.pop("id", None)
    points = float(re.sub("pt$", "", root.attrib.pop("width")))
    root.attrib.pop("height")
    root.set("width", f"{points * 96 / 72:.0f}")
    root.set("role", "img")
    root.set("aria-label", clip(title, 300))
    root.set("class", "chart")
    root.attrib.pop("version", None)
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _references(root: ElementTree.Element) -> set[str]:
    text = ElementTree.tostring(root, encoding="unicode")
    return set(re.findall(r"url\(#([^)]+)\)", text)) | set(re.findall(r'href="#([^"]+)"', text))


def _restyle(element: ElementTree.Element) -> None:
    """Turn a style into attributes and classes; fonts are the style sheet's, but for their size."""
    style = element.attrib.pop("style", "")
    given: dict[str, Any] = {}
    for declaration in filter(None, map(str.strip, style.split(";"))):
        name, _, value = declaration.partition(":")
        given[name.strip()] = value.strip()
    if "font" in given:
        font = given.pop("font")
        if size := re.search(r"([\d.]+)px", font):
            given["font-size"] = size.group(1)
        if re.match(r"(bold|700)\b", font):
            given["font-weight"] = "bold"
    given.pop("font-family", None)
    classes = []
    for name in ("fill", "stroke"):
        colour = given.get(name, element.get(name, "")).lower()
        if colour in _BY_COLOUR:
            given.pop(name, None)
            element.attrib.pop(name, None)
            classes.append(f"{name[0]}-{_BY_COLOUR[colour]}")
    for name, value in given.items():
        element.set(name, str(value))
    if classes:
        element.set("class", " ".join(classes))


def mode_style(mode: str) -> tuple[str, str]:
    """(colour, marker) of a mode: shape and colour both tell them apart."""
    if mode == "prompt":
        return COLOURS["prompt"], "s"
    if mode == "cot":
        return COLOURS["cot"], "o"
    return COLOURS["neutral"], "D"


def band(
    axes: Any,
    points: Sequence[tuple[float, Estimate]],
    colour: str,
    shape: str,
    *,
    label: str | None = None,
    ends: tuple[float, float] = (0, 100),
) -> None:
    """A curve in percent with its interval band (a bar where there is one point only).

    A side without a bound reaches to that one of `ends`.
    """
    if not points:
        return
    low, high = ends
    xs = [x for x, _ in points]
    values = [100 * e.value for _, e in points]
    lows = [low if e.low is None else 100 * e.low for _, e in points]
    highs = [high if e.high is None else 100 * e.high for _, e in points]
    if len(points) > 1:
        axes.fill_between(xs, lows, highs, color=colour, alpha=0.16, linewidth=0)
    else:
        axes.plot([xs[0], xs[0]], [lows[0], highs[0]], color=colour, linewidth=2, alpha=0.55)
    axes.plot(xs, values, color=colour, marker=shape, markersize=5.5, linewidth=1.5, label=label)

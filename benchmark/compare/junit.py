"""Gates as JUnit XML, which every CI system shows: a test case each.

`worse` is a failure. `cannot tell` and `incomplete` are errors: the gate could not be judged.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from cotgap.benchmark.compare.comparison import Comparison
from cotgap.benchmark.compare.gate import Gate, Verdict
from cotgap.benchmark.compare.words import row, sentence, within

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(found: Comparison) -> str:
    """The document; a comparison without gates has no test cases."""
    verdicts = [gate.verdict for gate in found.gates]
    suite = ElementTree.Element(
        "testsuite",
        name="cotgap compare",
        tests=str(len(verdicts)),
        failures=str(verdicts.count(Verdict.WORSE)),
        errors=str(sum(v in (Verdict.CANNOT_TELL, Verdict.INCOMPLETE) for v in verdicts)),
        skipped="0",
    )
    for gate in found.gates:
        _case(suite, gate, found)
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    text: str = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def _case(suite: ElementTree.Element, gate: Gate, found: Comparison) -> None:
    name = f"{gate.name} no worse by {within(gate)}"
    case = ElementTree.SubElement(
        suite, "testcase", classname=_clean(f"cotgap.{gate.panel}"), name=_clean(name), time="0"
    )
    if gate.verdict is not Verdict.NO_WORSE:
        kind = "failure" if gate.verdict is Verdict.WORSE else "error"
        problem = ElementTree.SubElement(
            case, kind, type=gate.verdict.value, message=_clean(sentence(gate))
        )
        problem.text = _clean(_details(gate, found))
    else:
        ElementTree.SubElement(case, "system-out").text = _clean(sentence(gate))


def _details(gate: Gate, found: Comparison) -> str:
    rows = [
        "  ".join(row(difference))
        for panel in found.panels
        if panel.pairs.panel.name == gate.panel
        for difference in panel.differences
    ]
    sides = (
        f"candidate {found.b.name} ({found.b.folder}), baseline {found.a.name} ({found.a.folder})"
    )
    return "\n".join([sides, *rows])


def _clean(text: str) -> str:
    """Without the characters that XML cannot hold."""
    return _FORBIDDEN.sub("�", text)

"""Names that cannot be told apart, or that cannot be seen."""

from __future__ import annotations

import pytest

from cotgap.envs.core import CoTGapError
from cotgap.leaderboards.names import clashes, skeleton
from cotgap.leaderboards.schema import Entrant, Entry
from tests.leaderboards.building import entry_of, run_of
from tests.leaderboards.test_boards import results


@pytest.mark.parametrize(
    "twin",
    [
        "expert",
        "Expert",
        "EXPERT",
        "еxpеrt",
        "ΕΧΡΕRΤ",
        "e-x p.e_r+t",
        "éxpèrt",
        "ｅｘｐｅｒｔ",
        "𝐞𝐱𝐩𝐞𝐫𝐭",
    ],
)
def test_look_alikes(twin: str) -> None:
    assert skeleton(twin) == "expert"


@pytest.mark.parametrize(("one", "other"), [("GPT-10", "GPT-lO"), ("modern", "modem"), ("I", "l")])
def test_what_few_fonts_tell_apart(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(("one", "other"), [("tiny-0004", "tiny-0008"), ("agent a", "agent b")])
def test_other_names(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)


@pytest.mark.parametrize("char", list("\u3164\u2800\u115f\ufe0f\u034f\u200b\u202e"))
def test_what_cannot_be_seen(char: str) -> None:
    for content in ({"name": f"a{char}b"}, {"name": "a", "organisation": f"a{char}b"}):
        with pytest.raises(CoTGapError, match=rf"holds U\+{ord(char):04X}"):
            Entrant.from_json(content, foreign=True)
    Entrant.from_json({"name": "Ünïcode 模型 α-agent"}, foreign=True)


def entry(slug: str, name: str, organisation: str = "", owner: str = "") -> Entry:
    return entry_of(slug, run_of(results("10")), name=name, organisation=organisation, owner=owner)


def test_what_two_entries_may_not_share() -> None:
    tiny = entry("tiny", "tiny", "CoTGap")
    theirs = entry("theirs", "Agent", "Some Lab", "ann")

    def why(*entries: Entry) -> list[str]:
        return [reason for _, _, reason in clashes(entries)]

    assert why(tiny, theirs, entry("b", "Other", "Some Lab", "ben")) == []
    assert why(tiny, entry("b", "Tiny", "", "ben")) == ["the names 'tiny' and 'Tiny' look alike"]
    assert why(tiny, entry("b", "B", "CoTGap", "ben")) == [
        "the organisation 'CoTGap' is that of the boards"
    ]
    assert why(theirs, entry("b", "B", "Sоme Lab", "ben")) == [
        "the organisations 'Some Lab' and 'Sоme Lab' look alike"
    ]

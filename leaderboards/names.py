"""Names on the boards: none looks like another's.

Two names look alike where their skeletons are equal: letters without marks, case, spaces and
punctuation, each as the Latin letter that it is drawn like (after Unicode's UTS 39, whose table is
much longer; here stand the alphabets that are drawn like Latin in common fonts).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from cotgap.leaderboards.schema import Entry

# Each letter of the first line of a pair is drawn like the one below it.
ALIKE = (
    ("АВЕЅЗІЈКМНОРСТУХԌԚԜҮ", "ABESЗIJKMHOPCTYXGQWY".replace("З", "3")),
    ("авеѕзіјкмнорстухһԁԛԝгпүӏ", "abes3ijkmhopctyxhdqwrnyl"),
    ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX"),
    ("αβγεηικνορτυχω", "abyenikvoptuxw"),
    ("ԱՍՕՏՁհոսօցզ", "UUOSJhnuogq".replace("Ա", "U")),
    ("ᎪᏴᏟᎠᎬᎻᎫᏦᏞᎷᏢᏒᏚᎢᏙᎳᏃ", "ABCDEHJKLMPRSTVWZ"),
    ("ɑɡɩıłøđħ", "aglilodh"),
)
LETTERS = {ord(one): other for pair in ALIKE for one, other in zip(*pair, strict=True)}
# What is told apart in few fonts.
SAME = str.maketrans({"0": "o", "1": "l", "i": "l", "|": "l", "!": "l", "5": "s", "$": "s"})


def skeleton(name: str) -> str:
    """What a name looks like; see the module."""
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).translate(LETTERS))
    text = unicodedata.normalize("NFKD", text.translate(LETTERS)).casefold().translate(LETTERS)
    kept = "".join(c for c in text.translate(SAME) if c.isalnum())
    return kept.replace("rn", "m").replace("vv", "w")


def clashes(entries: Sequence[Entry]) -> Iterator[tuple[Entry, Entry, str]]:
    """Two entries and why their names do not go together.

    No two entries have names that look alike. Entries of one organisation write it the same, and
    it is everybody's but where its entries are kept by those who keep the boards.
    """
    for place, one in enumerate(entries):
        mine = one.submission.entrant
        for other in entries[:place]:
            its = other.submission.entrant
            if skeleton(mine.name) == skeleton(its.name):
                yield other, one, f"the names {its.name!r} and {mine.name!r} look alike"
            if not its.organisation or mine.owner == its.owner:
                continue
            if skeleton(mine.organisation) != skeleton(its.organisation):
                continue
            if mine.organisation != its.organisation:
                yield (
                    other,
                    one,
                    f"the organisations {its.organisation!r} and {mine.organisation!r} look alike",
                )
            elif not (mine.owner and its.owner):
                yield other, one, f"the organisation {its.organisation!r} is that of the boards"

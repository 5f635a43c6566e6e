"""Plays a compiled game in the Z-machine interpreter that TextWorld itself uses.

Like TextWorld's environment, this module reads two things from the game's text besides the
feedback: the score, and the actions that the game performed, which Inform prints when it is told to
trace them. `cotgap.envs.textworld.tracking` derives everything else from the actions.

Needs the extra `textworld`.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SEED = 1  # any but 0, which means the clock; the games set a seed themselves, too
SETUP = ("tw-extra-infos score", "tw-trace-actions")
TRACE = re.compile(r"\[([^\]]+)\]\n?")
COUNTERS = re.compile(r"<(score|moves)>\n(.*?)</\1>", re.DOTALL)
ART = re.compile(r"[ _|\\/$<>\n]*\n")  # the title is drawn with these alone
GAP = re.compile(r"\n[ \n]*\n")
SUCCEEDED = " - succeeded"
WON, LOST = "*** The End ***", "*** You lost! ***"

REFUSED = "That's not a verb I recognise."  # what the game says of a verb it does not know
BLANK = "I beg your pardon?"  # what it says of an empty line
MAX_COMMAND = 197  # bytes that the interpreter reads of a line
# Letters, digits, and what names hold. Stops and commas would pack several commands into one;
# a backslash speaks to the interpreter itself, which may then never answer.
COMMAND = re.compile(r"[A-Za-z0-9' -]+")
# Commands to the interpreter or the library rather than in the world (they save, end or restart
# the game, change how it prints, or show its insides), and those that mean "the last one again".
META = """
    quit q restart restore save verify version script transcript noscript unscript notify pronouns
    nouns superbrief short verbose long brief normal undo oops o again g score full fullscore
    restrict enable disable actions showme showverb showheap abstract gonear purloin random
    recording replay rules scenes scope relations responses test trace tree xyzzy
""".split()
SIGNIFICANT = 9  # letters of a word that the machine tells apart
_META = frozenset(word[:SIGNIFICANT] for word in META)


@dataclass(frozen=True, slots=True)
class Reply:
    """A game's answer: `score` is None where it states none, `events` are the performed actions."""

    text: str
    events: tuple[str, ...]
    score: int | None
    won: bool
    lost: bool


def one_line(action: str) -> str:
    """An action as it is typed: on one line, with single spaces."""
    return " ".join(action.split())


def refusal(command: str) -> str | None:
    """Why a command (on one line) is not passed on to the game, or None where it is."""
    if not command:
        return BLANK
    words = command.casefold().split()
    playable = (
        len(command) <= MAX_COMMAND
        and COMMAND.fullmatch(command)
        and words[0][:SIGNIFICANT] not in _META
        and not words[0].startswith("tw-")
        and "then" not in words
    )
    return None if playable else REFUSED


class Story:
    """A game file in an interpreter of its own. Raises `OSError` if it cannot be opened."""

    def __init__(self, path: Path) -> None:
        import jericho

        with warnings.catch_warnings():
            # It has details of famous games only, and none are needed here.
            warnings.simplefilter("ignore", jericho.UnsupportedGameWarning)
            self._machine: Any = jericho.FrotzEnv(str(path), SEED)

    def start(self) -> Reply:
        """Begin anew; the text is the objective and the first room, without the drawn title."""
        text, _ = self._machine.reset()
        replies = [self.send(command) for command in SETUP]
        opening = read(ART.sub("", text, count=1) if ART.match(text) else text)
        return Reply(opening.text, (), replies[-1].score, opening.won, opening.lost)

    def send(self, command: str) -> Reply:
        """Type a line that `refusal` lets through."""
        return read(self._machine.step(command)[0])

    def save(self) -> Any:
        """The machine's state, as an immutable value."""
        return self._machine.get_state()

    def load(self, saved: Any) -> None:
        """Go back to a state of this game."""
        self._machine.set_state(saved)

    def close(self) -> None:
        """Free the machine."""
        self._machine = None  # its finalizer does


def read(text: str) -> Reply:
    """Parse a game's raw answer. In its text, only runs of blank lines are shortened."""
    scores = [int(match[2]) for match in COUNTERS.finditer(text) if match[1] == "score"]
    text = COUNTERS.sub("", text)
    traced = [match[1].strip() for match in TRACE.finditer(text)]
    events = tuple(
        event.removesuffix(SUCCEEDED)
        for event in traced
        # In brackets: part of another action.
        if event.endswith(SUCCEEDED) and not set("()") & set(event)
    )
    text = GAP.sub("\n\n", TRACE.sub("", text)).strip()
    return Reply(text, events, scores[-1] if scores else None, WON in text, LOST in text)

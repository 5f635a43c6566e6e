"""What a model is shown, under an id that stands beside every number: `tags-1+admissible`, ..."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cotgap.agents.core import AFTER_THOUGHT, Tags
from cotgap.envs.core import CoTGapError, UnknownNameError

BASE = "tags-1"
EXAMPLE_THOUGHT = "The task needs this next."
OPTIONS = ("admissible", "asked", "shots=K", "thoughts")


@dataclass(frozen=True, slots=True)
class PromptProtocol:
    """`tags-1` and its options; `str()` gives the canonical id.

    `admissible`: every observation lists the admissible actions. `asked`: the last user turn ends
    in a request for the mode, and nothing is prefilled, for servers that cannot; the two modes then
    read different prompts, and a model may do otherwise than it was asked. `shots`: how many expert
    episodes of the train panel precede the task. `thoughts`: past reasoning stays in the history
    (without it, both modes see the same conversation whatever was thought before).
    """

    admissible: bool = False
    asked: bool = False
    shots: int = 0
    thoughts: bool = False

    def __str__(self) -> str:
        options = [
            "admissible" if self.admissible else "",
            "asked" if self.asked else "",
            f"shots={self.shots}" if self.shots else "",
            "thoughts" if self.thoughts else "",
        ]
        return "+".join([BASE, *filter(None, options)])

    @classmethod
    def parse(cls, text: str) -> PromptProtocol:
        """Read an id, its options in any order.

        Raises `UnknownNameError` for an unknown base or option, `CoTGapError` for one given twice.
        """
        base, *options = text.split("+")
        if base != BASE:
            raise UnknownNameError("protocol", text, [BASE], _HINT)
        chosen: dict[str, int] = {}
        for option in options:
            name, value = _read(option)
            if name in chosen:
                raise CoTGapError(f"protocol {text!r} gives {name!r} twice; give each option once")
            chosen[name] = value
        return cls(
            "admissible" in chosen, "asked" in chosen, chosen.get("shots", 0), "thoughts" in chosen
        )


TAGS_1 = PromptProtocol()
_HINT = f"A protocol is {BASE!r}, followed by any of: {', '.join('+' + name for name in OPTIONS)}."


def _read(option: str) -> tuple[str, int]:
    if option in ("admissible", "asked", "thoughts"):
        return option, 1
    if match := re.fullmatch(r"shots=([1-9][0-9]?)", option):
        return "shots", int(match[1])
    hint = "K is 1 to 99." if option.startswith("shots") else ""
    raise UnknownNameError("protocol option", option, OPTIONS, hint)


def system_message(instructions: str, tags: Tags, example: str) -> str:
    """The system message of `tags-1`: the suite's instructions, then the reply format.

    It is the same for all modes, because all modes continue the same prompt tokens; what the
    reply is prefilled with decides between them. `example` is an action of the suite: small models
    copy a placeholder, and an action is no worse than one. This text is part of the protocol:
    another wording is another protocol id.
    """
    return f"{instructions.strip()}\n\n{_format(tags, example)}"


def ask_for(prefill: str) -> str:
    """What `+asked` appends to the last user turn in place of a prefill."""
    return f"\n\nBegin your reply with {prefill}"


def _format(tags: Tags, example: str) -> str:
    action = f"{tags.action_open}{example}{tags.action_close}"
    return (
        f"Reply with your next action between {tags.action_open} and {tags.action_close}, one "
        f"action per reply and nothing after it. A reply can be the action alone:\n{action}\n"
        f"Or you reason about it first, between {tags.think_open} and {tags.think_close}:\n"
        f"{tags.think_open}{EXAMPLE_THOUGHT}{tags.think_close}{AFTER_THOUGHT}{action}"
    )

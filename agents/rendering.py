"""From conversations to token ids: a chat template's framing, derived once, then plain pieces.

A chat template may rewrite earlier turns (drop their reasoning, insert an empty think block after
the last user turn, open a think block for the reply), so rendering a longer conversation need not
extend a shorter one. Here the template renders one sample conversation; what it puts between the
contents becomes fixed framing, and every piece is tokenised on its own. A later step's prompt
then extends an earlier one token for token by construction, and the tokens of every action are
known. Where a template does none of the above, the text is the template's own.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from cotgap.agents.core import Message
from cotgap.envs.core import CoTGapError

Role = Literal["system", "user", "assistant"]
Kind = Literal["frame", "instructions", "marker", "observation", "tag", "thought", "action"]
# What we or the template wrote may hold special tokens; contents may not forge them.
TRUSTED: frozenset[Kind] = frozenset({"frame", "tag"})
# Templates that state today's date get this one, so that prompts do not drift from day to day.
DATE_STRING = "26 Jul 2024"
DATE_PARTS = {
    "%d": "26", "%-d": "26", "%m": "07", "%b": "Jul", "%B": "July", "%y": "24", "%Y": "2024",
    "%a": "Fri", "%A": "Friday", "%H": "00", "%M": "00", "%S": "00",
}  # fmt: skip
MERGED = "\n\n"  # between instructions and first observation where there is no system role


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a turn's text, and what it is."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class Turn:
    """A message as a sequence of parts."""

    role: Role
    parts: tuple[Part, ...]

    @functools.cached_property
    def text(self) -> str:
        """The message's content."""
        return "".join(part.text for part in self.parts)

    @functools.cached_property
    def message(self) -> Message:
        """The turn in chat format."""
        return Message(self.role, self.text)


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a rendered conversation: its kind, text, and token ids (tokenised on its own)."""

    kind: Kind
    text: str
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Framing:
    """What a template writes around contents: `head` instructions `start` user `to_assistant`
    assistant `to_user` user ...; `end` follows an assistant turn that ends the conversation.

    `to_assistant` doubles as the generation prompt: nothing of a reasoning block is in it.
    """

    head: str
    start: str
    to_assistant: str
    to_user: str
    end: str


class Renderer:
    """Renders conversations for one tokenizer (of transformers, with a chat template).

    `context` is the model's context in tokens, `turn_end` the token that ends an assistant turn
    (None where the template has none). Raises `CoTGapError` for a template without usable framing.
    """

    def __init__(self, tokenizer: Any, context: int) -> None:
        self.tokenizer = tokenizer
        self.context = context
        self.framing = derive_framing(tokenizer)
        self.encode = functools.lru_cache(maxsize=8192)(self._encode)
        self.turn_end = self._turn_end()

    def segments(self, turns: Sequence[Turn]) -> tuple[Segment, ...]:
        """A conversation (system, user, assistant, user, ...) as segments.

        After a user turn it ends in the generation prompt, after an assistant turn in that turn's
        end.
        """
        framing = self.framing
        between = [framing.start] + [framing.to_assistant, framing.to_user] * (len(turns) // 2)
        frames = between[: len(turns)]
        if turns[-1].role == "assistant":
            frames[-1] = framing.end
        parts = [Part("frame", framing.head)]
        for turn, frame in zip(turns, frames, strict=True):
            parts += [*turn.parts, Part("frame", frame)]
        return self.pieces(parts)

    def ids(self, parts: Sequence[Part]) -> list[int]:
        """The token ids of parts, each tokenised on its own."""
        return [i for part in parts for i in self.encode(part.text, part.kind in TRUSTED)]

    def pieces(self, parts: Sequence[Part]) -> tuple[Segment, ...]:
        """Parts as segments, each tokenised on its own; empty ones are left out."""
        return tuple(
            Segment(part.kind, part.text, self.encode(part.text, part.kind in TRUSTED))
            for part in parts
            if part.text
        )

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, nothing left out or tidied up."""
        text: str = self.tokenizer.decode(
            ids, skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        return text

    def _encode(self, text: str, trusted: bool) -> tuple[int, ...]:
        encoded = self.tokenizer(
            text, add_special_tokens=False, split_special_tokens=not trusted, verbose=False
        )
        return tuple(encoded["input_ids"])

    def _turn_end(self) -> int | None:
        special = {*self.tokenizer.all_special_ids, *self.tokenizer.get_added_vocab().values()}
        return next((id_ for id_ in self.encode(self.framing.end, True) if id_ in special), None)


def derive_framing(tokenizer: Any) -> Framing:
    """The framing of a tokenizer's chat template; raises `CoTGapError` where it has none.

    A template without a system role (or that puts system messages elsewhere than in front) gets
    the instructions in front of the first user turn.
    """
    for system in (True, False):
        pieces = _split(tokenizer, system)
        if pieces is not None:
            break
    else:
        raise CoTGapError(
            "the chat template does not render a plain conversation (system, user and assistant "
            "turns, each content once and in order). Put a template that does into the "
            "checkpoint's chat_template.jinja"
        )
    (head, start, asked, answered, asked_again, answered_again, reply), end = pieces
    if (asked, answered) != (asked_again, answered_again):
        raise CoTGapError(
            "the chat template frames the first exchange differently from later ones, so prompts "
            "could not grow token for token. Put a plainer template into the checkpoint's "
            "chat_template.jinja"
        )
    to_assistant, reply = _before_reasoning(asked), _before_reasoning(reply)
    if to_assistant.rstrip() == reply.rstrip():  # the white space that replies really follow
        to_assistant = reply
    return Framing(head, start, to_assistant, answered, end)


_SYSTEM, _USER, _ASSISTANT = "zqSYSTEMqz", "zqUSER{}qz", "zqASSISTANT{}qz"


def _split(tokenizer: Any, system: bool) -> tuple[list[str], str] | None:
    """The seven texts between the contents of a sample conversation, and what ends a last reply."""
    from jinja2.exceptions import TemplateError

    users, replies = ([name.format(i) for i in range(3)] for name in (_USER, _ASSISTANT))
    first = users[0] if system else f"{_SYSTEM}{MERGED}{users[0]}"
    messages = [{"role": "system", "content": _SYSTEM}] if system else []
    contents = [_SYSTEM, users[0]]
    messages.append({"role": "user", "content": first})
    for reply, user in zip(replies[:2], users[1:], strict=True):
        messages.append({"role": "assistant", "content": reply})
        messages.append({"role": "user", "content": user})
        contents += [reply, user]
    closed = [*messages, {"role": "assistant", "content": replies[2]}]
    try:
        pieces = _cut(_render(tokenizer, messages, reply=True), contents)
        end = _render(tokenizer, closed, reply=False).partition(replies[2])[2]
    except TemplateError:  # a template's way to refuse a role
        return None
    return None if pieces is None else (pieces, end)


def _cut(text: str, contents: Sequence[str]) -> list[str] | None:
    pieces = []
    for content in contents:
        if text.count(content) != 1:
            return None
        piece, _, text = text.partition(content)
        pieces.append(piece)
    return [*pieces, text]


def _render(tokenizer: Any, messages: list[dict[str, str]], *, reply: bool) -> str:
    text: str = tokenizer.apply_chat_template(
        messages,
        chat_template=_fixed_date() + tokenizer.get_chat_template(),
        tokenize=False,
        add_generation_prompt=reply,
        date_string=DATE_STRING,
    )
    return text


def _fixed_date() -> str:
    """Jinja that replaces the function which templates ask for the date (arguments are data)."""
    filters = "".join(f" | replace('{part}', '{text}')" for part, text in DATE_PARTS.items())
    macro = f"{{%- macro strftime_now(format) -%}}{{{{ format{filters} }}}}{{%- endmacro -%}}"
    return macro + "{{ '' }}"  # shields a line break at the template's start from block trimming


def _before_reasoning(frame: str) -> str:
    """A generation prompt up to where the template opens a think block by itself."""
    return frame.partition("<think>")[0]

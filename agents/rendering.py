"""From conversations to token ids: a chat template's framing, derived once, then plain pieces.

A chat template may rewrite earlier turns (drop their reasoning, insert an empty think block after
the last user turn, open a think block for the reply), so rendering a longer conversation need not
extend a shorter one. Here the template renders one sample conversation; what it puts between the
contents becomes fixed framing, and every piece is tokenised on its own. A later step's prompt
then extends an earlier one token for token by construction, and the tokens of every action are
known. Where a template does none of the above, the text is the template's own, white space
included; `Renderer.rewritten` says where it is not.

Tokenizers may treat the beginning of a text differently (put a space before it, as Llama 2's).
A piece's tokens are those that it has behind other text, so that the ids of a conversation decode
to its text, character for character. Both are tried when a renderer is made.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product, zip_longest
from typing import Any, Literal

from cotgap.agents.core import Message
from cotgap.agents.templating import RefusedError, TemplateError, render
from cotgap.envs.core import CoTGapError
from cotgap.envs.text import readable

Role = Literal["system", "user", "assistant"]
Kind = Literal["frame", "instructions", "marker", "observation", "tag", "thought", "action"]
Side = Literal["left", "right"]
# What we or the template wrote may hold special tokens; contents may not forge them.
TRUSTED: frozenset[Kind] = frozenset({"frame", "tag"})
# Templates that state today's date get this one, so that prompts do not drift from day to day.
DATE_STRING = "26 Jul 2024"
DATE_PARTS = {
    "%d": "26", "%-d": "26", "%m": "07", "%b": "Jul", "%B": "July", "%y": "24", "%Y": "2024",
    "%a": "Fri", "%A": "Friday", "%H": "00", "%M": "00", "%S": "00",
}  # fmt: skip
REWRITTEN = "the chat template rewrites turns as a conversation grows; here they stay as they are"
# Texts whose tokens must give them back wherever they stand, and texts to stand behind.
PROBES = (" look", "look", "\nlook", "<action>look</action>")
ANCHORS = ("\n", ":", "a", "0", "-")
LONG = 6  # times that the sample conversation goes round, for templates that look back so far
# What a conversation is like: observations end in line breaks, actions hold all sorts of signs.
_SPOKEN = (
    "You see a mug 1.\n",
    "<action>put mug 1 in/on desk 2</action>",
    "Nothing  happens.\n\n",
    "<action>look</action>",
    " You are here.",
)
MERGED = "\n\n"  # between instructions and first observation where there is no system role


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a turn's text, and what it is.

    Half a character, which no tokenizer and few servers can read, is shown as U+FFFD.
    """

    kind: Kind
    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", readable(self.text))


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
class Sample:
    """A conversation and the template's own text of it."""

    turns: Sequence[Turn]
    text: str


@dataclass(frozen=True, slots=True)
class Framing:
    """What a template writes around contents: `head` instructions `start` user `to_assistant`
    `to_reply` assistant `to_user` user ...; `end` follows an assistant turn that ends the
    conversation.

    `to_assistant` doubles as the generation prompt: nothing of a reasoning block is in it.
    `to_reply` is white space that some templates put before earlier replies only. Each side of a
    role's contents loses its white space where `trimmed` names the two.
    """

    head: str
    start: str
    to_assistant: str
    to_reply: str
    to_user: str
    end: str
    trimmed: frozenset[tuple[str, Side]] = frozenset()
    merged: bool = False
    """Whether the first observation follows the instructions in one message."""


class Renderer:
    """Renders conversations for one tokenizer (of transformers, with a chat template).

    `context` is the model's context in tokens, `turn_end` the token that ends an assistant turn
    (None where the template has none). `rewritten` says where a conversation's text is not the
    template's own; it is empty where it is. Raises `CoTGapError` for a template without usable
    framing, and for a tokenizer that does not keep text.
    """

    def __init__(self, tokenizer: Any, context: int) -> None:
        self.tokenizer = tokenizer
        self.context = context
        self.framing, samples = derive_framing(tokenizer)
        self.encode = functools.lru_cache(maxsize=8192)(self._encode)
        self._added = _added_tokens(tokenizer)
        self._anchors: dict[str, tuple[int, ...]] = {}
        """Texts that pieces are tokenised behind; none where pieces read the same anywhere."""
        if not self._keeps_text(samples):
            self._anchors = {text: self._ids(text, trusted=False) for text in ANCHORS}
            self.encode.cache_clear()
            self._check_text(samples)
        self.rewritten = "" if self._is_templates_own(samples) else REWRITTEN
        self.turn_end = self._turn_end()

    def segments(self, turns: Sequence[Turn]) -> tuple[Segment, ...]:
        """A conversation (system, user, assistant, user, ...) as segments.

        After a user turn it ends in the generation prompt, after an assistant turn in that turn's
        end.
        """
        framing = self.framing
        parts = [Part("frame", framing.head)]
        for index, turn in enumerate(turns):
            parts += _trimmed(turn, framing, inner=index == 1 and framing.merged)
            if turn.role == "system":
                after = framing.start
            elif turn.role == "user":
                after = framing.to_assistant
            else:
                after = framing.end if index == len(turns) - 1 else framing.to_user
            parts.append(Part("frame", after))
            if turn.role == "user" and index < len(turns) - 1:
                parts.append(Part("frame", framing.to_reply))
        return self.pieces(parts)

    def step(self, action: Turn, observation: Turn) -> list[int]:
        """The token ids by which a prompt grows with an action and what answered it."""
        framing = self.framing
        return [
            *self.encode(framing.to_reply, True),
            *self.turn(action),
            *self.encode(framing.to_user, True),
            *self.turn(observation),
            *self.encode(framing.to_assistant, True),
        ]

    def turn(self, turn: Turn, *, inner: bool = False) -> list[int]:
        """The token ids of a turn's contents; an `inner` one follows other text in one message."""
        parts = _trimmed(turn, self.framing, inner=inner)
        return [i for part in parts for i in self.encode(part.text, part.kind in TRUSTED)]

    def pieces(self, parts: Sequence[Part]) -> tuple[Segment, ...]:
        """Parts as segments, each tokenised on its own; empty ones are left out."""
        return tuple(
            Segment(part.kind, part.text, self.encode(part.text, part.kind in TRUSTED))
            for part in parts
            if part.text
        )

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids that follow others, nothing left out or tidied up."""
        if not self._anchors:
            return self._decode(ids)
        before = self._anchors[ANCHORS[0]]
        return self._decode([*before, *ids]).removeprefix(self._decode(before))

    def _decode(self, ids: Sequence[int]) -> str:
        text: str = self.tokenizer.decode(
            list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        return text

    def _encode(self, text: str, trusted: bool) -> tuple[int, ...]:
        ids = self._ids(text, trusted)
        if not self._anchors or self.decode(ids) == text:
            return ids
        behind = self._behind(text, trusted)
        if behind is None and trusted and self._added:
            behind = self._around_added(text)
        return ids if behind is None else behind

    def _ids(self, text: str, trusted: bool) -> tuple[int, ...]:
        encoded = self.tokenizer(
            text, add_special_tokens=False, split_special_tokens=not trusted, verbose=False
        )
        return tuple(encoded["input_ids"])

    def _behind(self, text: str, trusted: bool) -> tuple[int, ...] | None:
        """A text's tokens behind some other text, if they give the text back."""
        for anchor, before in self._anchors.items():
            whole = self._ids(anchor + text, trusted)
            ids = whole[len(before) :]
            if whole[: len(before)] == before and self.decode(ids) == text:
                return ids
        return None

    def _around_added(self, text: str) -> tuple[int, ...] | None:
        """The same of the texts around the tokens that were added to the vocabulary."""
        ids: list[int] = []
        for piece in re.split("(" + "|".join(map(re.escape, self._added)) + ")", text):
            if piece in self._added:
                ids.append(self._added[piece])
            elif piece:
                ids += self.encode(piece, False)
        return tuple(ids) if self.decode(ids) == text else None

    def _plain(self, text: str) -> bool:
        return self._decode(self._ids(text, trusted=False)) == text

    def _keeps_text(self, samples: Sequence[Sample]) -> bool:
        return all(map(self._plain, PROBES)) and all(
            self._decode(ids) == text for ids, text in map(self._written, samples)
        )

    def _check_text(self, samples: Sequence[Sample]) -> None:
        """Raise `CoTGapError` where the tokens of a conversation do not give its text back."""
        for sample in samples:
            ids, text = self._written(sample)
            found = self.decode(ids)
            if found != text:
                at = next(i for i, pair in enumerate(zip_longest(found, text)) if len({*pair}) > 1)
                raise CoTGapError(
                    "the tokenizer does not keep text: a prompt that reads "
                    f"{text[max(at - 20, 0) : at + 20]!r} becomes "
                    f"{found[max(at - 20, 0) : at + 20]!r}. Give a checkpoint whose tokenizer does "
                    "(byte-level, or with bytes to fall back on)"
                )

    def _is_templates_own(self, samples: Sequence[Sample]) -> bool:
        return all(self._written(sample)[1] == sample.text for sample in samples)

    def _written(self, sample: Sample) -> tuple[list[int], str]:
        segments = self.segments(sample.turns)
        ids = [id_ for segment in segments for id_ in segment.ids]
        return ids, "".join(segment.text for segment in segments)

    def _turn_end(self) -> int | None:
        special = {*self.tokenizer.all_special_ids, *self.tokenizer.get_added_vocab().values()}
        return next((id_ for id_ in self.encode(self.framing.end, True) if id_ in special), None)


def _added_tokens(tokenizer: Any) -> dict[str, int]:
    """The tokens beyond the vocabulary and their ids, longer ones first."""
    added: dict[str, int] = tokenizer.get_added_vocab()
    return dict(sorted(added.items(), key=lambda item: -len(item[0])))


def _trimmed(turn: Turn, framing: Framing, *, inner: bool) -> Sequence[Part]:
    """A turn's parts without the white space that the template takes off its ends.

    An `inner` turn follows other text in one message.
    """
    parts = list(turn.parts)
    if (turn.role, "left") in framing.trimmed and not inner:
        for index, part in enumerate(parts):
            parts[index] = Part(part.kind, part.text.lstrip())
            if parts[index].text:
                break
    if (turn.role, "right") in framing.trimmed:
        for index in reversed(range(len(parts))):
            parts[index] = Part(parts[index].kind, parts[index].text.rstrip())
            if parts[index].text:
                break
    return parts


def derive_framing(tokenizer: Any) -> tuple[Framing, list[Sample]]:
    """The framing of a tokenizer's chat template, and conversations that it rendered.

    Raises `CoTGapError` where the template has none. A template without a system role (or that
    puts system messages elsewhere than in front) gets the instructions in front of the first user
    turn.
    """
    template, why = _template_of(tokenizer), ""
    for system in (True, False):
        try:
            found = _sampled(tokenizer, template, system)
        except TemplateError as error:
            if not isinstance(error, RefusedError):
                raise CoTGapError(
                    f"the chat template fails: {error}. Put one that renders into the checkpoint's "
                    "chat_template.jinja"
                ) from error
            why = f" ({error})"  # a template's way to refuse a role
            continue
        if found is not None:
            return found
    raise CoTGapError(
        "the chat template does not render a plain conversation (system, user and assistant "
        f"turns, each content once and in order){why}. Put a template that does into the "
        "checkpoint's chat_template.jinja"
    )


def _template_of(tokenizer: Any) -> str:
    try:
        template: str = tokenizer.get_chat_template()
    except ValueError as error:  # several, none of which is the default
        raise CoTGapError(f"no chat template can be chosen: {error}") from error
    return template


_SYSTEM, _USER, _ASSISTANT = "zqSYSTEMqz", "zqUSER{}qz", "zqASSISTANT{}qz"
_USERS, _REPLIES = ([name.format(i) for i in range(3)] for name in (_USER, _ASSISTANT))
_CONTENTS = [_SYSTEM, *(text for pair in zip(_USERS, _REPLIES, strict=True) for text in pair)][:-1]
_LEFT, _RIGHT = " \n", "\n "  # white space that a template may trim
FIRST = ("first", "left")


def _sampled(tokenizer: Any, template: str, system: bool) -> tuple[Framing, list[Sample]] | None:
    """The framing and two conversations, None where contents are not all shown in order."""
    plain = [_SYSTEM, *_CONTENTS[1:]]
    padded = [f"{_LEFT}{text}{_RIGHT}" for text in plain]
    closed = [*plain, _REPLIES[2]]
    spoken = ["Rules.\nBe brief.", *LONG * _SPOKEN[:-1], _SPOKEN[-1]]
    calls = [
        _call(tokenizer, contents, system, reply=len(contents) % 2 == 0)
        for contents in (plain, padded, closed, spoken, spoken[:-1])
    ]
    rendered = []
    for answer in render(_fixed_date() + template, calls):
        if isinstance(answer, TemplateError):
            raise answer
        rendered.append(answer)
    pieces = _cut(rendered[0], plain)
    if pieces is None:
        return None
    end = rendered[2].partition(_REPLIES[2])[2]
    trimmed = _trims(pieces, _cut(rendered[1], plain))
    framing = _framed(pieces, end, trimmed - {FIRST}, merged=FIRST not in trimmed)
    samples = [
        Sample(_turns(contents), text)
        for contents, text in ((spoken, rendered[3]), (spoken[:-1], rendered[4]))
    ]
    return framing, samples


def _framed(
    pieces: Sequence[str], end: str, trimmed: frozenset[tuple[str, Side]], *, merged: bool
) -> Framing:
    """The framing of the seven texts between and around contents; raises `CoTGapError`."""
    head, start, asked, answered, asked_again, answered_again, reply = pieces
    if (asked, answered) != (asked_again, answered_again):
        raise CoTGapError(
            "the chat template frames the first exchange differently from later ones, so prompts "
            "could not grow token for token. Put a plainer template into the checkpoint's "
            "chat_template.jinja"
        )
    space = asked.removeprefix(reply) if asked.startswith(reply) else ""
    to_assistant, reply = _before_reasoning(asked), _before_reasoning(reply)
    if to_assistant.rstrip() == reply.rstrip():  # the white space that replies really follow
        to_assistant = reply
    to_reply = "" if space.strip() else space
    return Framing(head, start, to_assistant, to_reply, answered, end, trimmed, merged)


def _trims(plain: Sequence[str], padded: Sequence[str] | None) -> frozenset[tuple[str, Side]]:
    """Which sides of contents a template trims, by the texts around plain and padded ones.

    The left side of the first observation, which may follow other text, is one of its own.
    """
    if padded is None:
        return frozenset()
    roles = ("system", "first", "assistant", "user", "assistant", "user")
    trimmed: set[tuple[str, Side]] = set()
    kept: set[tuple[str, Side]] = set()
    for index, (frame, found) in enumerate(zip(plain, padded, strict=True)):
        for right, left in product(("", _RIGHT), ("", _LEFT)):
            if found == f"{right}{frame}{left}":
                if index > 0:
                    role = roles[index - 1].replace("first", "user")
                    (kept if right else trimmed).add((role, "right"))
                if index < len(roles):
                    (kept if left else trimmed).add((roles[index], "left"))
                break
    return frozenset(trimmed - kept)


def _call(tokenizer: Any, contents: Sequence[str], system: bool, *, reply: bool) -> dict[str, Any]:
    """A template's variables for a conversation; without a system role, it leads the first turn."""
    turns = [(turn.role, turn.text) for turn in _turns(contents)]
    if not system:
        (_, instructions), (_, first), *rest = turns
        turns = [("user", f"{instructions}{MERGED}{first}"), *rest]
    return {
        **tokenizer.special_tokens_map,
        "messages": [{"role": role, "content": text} for role, text in turns],
        "tools": None,
        "documents": None,
        "add_generation_prompt": reply,
        "date_string": DATE_STRING,
    }


def _turns(contents: Sequence[str]) -> list[Turn]:
    """A system message, then users and assistants in turn."""
    turns = [Turn("system", (Part("instructions", contents[0]),))]
    for index, text in enumerate(contents[1:]):
        if index % 2:
            turns.append(Turn("assistant", (Part("action", text),)))
        else:
            turns.append(Turn("user", (Part("observation", text),)))
    return turns


def _cut(text: str, contents: Sequence[str]) -> list[str] | None:
    pieces = []
    for content in contents:
        if text.count(content) != 1:
            return None
        piece, _, text = text.partition(content)
        pieces.append(piece)
    return [*pieces, text]


def _fixed_date() -> str:
    """Jinja that replaces the function which templates ask for the date (arguments are data)."""
    filters = "".join(f" | replace('{part}', '{text}')" for part, text in DATE_PARTS.items())
    macro = f"{{%- macro strftime_now(format) -%}}{{{{ format{filters} }}}}{{%- endmacro -%}}"
    return macro + "{{ '' }}"  # shields a line break at the template's start from block trimming


def _before_reasoning(frame: str) -> str:
    """A generation prompt up to where the template opens a think block by itself."""
    return frame.partition("<think>")[0]

"""Reading what a server sent: bounded, and a reply only if it is one.

A server's bytes are a stranger's. What is too large, too deep, not JSON, not a reply, or a reply of
another model is a failure that may pass (`PassingError`): the request is sent again, and a decision
that cannot be had is a failed episode, never an empty answer.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from cotgap.agents.core import BackendError, Usage

MOST_BYTES = 32 << 20  # of an answer, unpacked: a reply of 10^5 tokens is half a megabyte
MOST_CHARACTERS = 4 << 20  # of a reply
MOST_TOKENS = 10**9
MESSAGE_LENGTH = 300
# How servers say that a reply ended by itself, at a stop string, or at its limit.
ENDED = frozenset({"stop", "eos", "eos_token", "stop_sequence", "end_turn"})
CUT = frozenset({"length", "max_tokens"})


class NotAReplyError(ValueError):
    """A successful answer of HTTP's that is no reply of the model."""


def parse(body: bytes, secret: str | None = None) -> dict[str, Any]:
    """The JSON object of an answer; `secret` is taken out of every text in it.

    Raises `NotAReplyError` for anything else.
    """
    try:
        content = json.loads(body.decode("utf-8", "replace"))
        if not isinstance(content, dict):
            raise NotAReplyError("the answer is no JSON object")
        return without(content, secret) if secret else content
    except NotAReplyError:
        raise
    except ValueError:
        raise NotAReplyError("the answer is broken JSON") from None
    except RecursionError:
        raise NotAReplyError("the answer is JSON that is nested too deep") from None


def without(content: Any, secret: str) -> Any:
    """The same JSON value, with the secret, if there is one, taken out of every key and text."""
    if not secret:
        return content
    if isinstance(content, str):
        return content.replace(secret, "***")
    if isinstance(content, list):
        return [without(one, secret) for one in content]
    if isinstance(content, dict):
        return {without(key, secret): without(value, secret) for key, value in content.items()}
    return content


def reply_of(answer: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """(text, the choice it stands in) of an answer of either route.

    Raises `NotAReplyError` where the answer is no reply, with what the server said of the reason,
    and `BackendError` for one that holds its reasoning apart.
    """
    if answer.get("error"):
        raise NotAReplyError(f"the server says: {said(answer)}")
    choices = answer.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict):
        raise NotAReplyError("the answer does not hold one choice")
    choice = choices[0]
    if choice.get("index") not in (0, None):
        raise NotAReplyError(f"the answer holds choice {choice['index']!r:.20} and not the first")
    if choice.get("error"):
        raise NotAReplyError(f"the server says: {said(choice)}")
    message = choice.get("message")
    if message is not None and not isinstance(message, dict):
        raise NotAReplyError("the answer's message is no object")
    if message and (message.get("reasoning_content") or message.get("reasoning")):
        raise BackendError(
            "the server takes the reasoning out of its replies, so that they cannot be parsed. "
            "Start it without a reasoning parser, or give --tokenizer DIR"
        )
    if message and message.get("refusal"):
        raise NotAReplyError(f"the server refuses: {line(message['refusal'])}")
    if message and (message.get("tool_calls") or message.get("function_call")):
        raise NotAReplyError("the answer is a tool call, and none was offered")
    reason = choice.get("finish_reason")
    if not isinstance(reason, str) or reason not in ENDED | CUT:
        raise NotAReplyError(
            f"the reply ended for the reason {reason!r:.40}, which is no end of one"
        )
    text = choice.get("text") if message is None else message.get("content")
    if not isinstance(text, str):
        raise NotAReplyError(f"the reply's text is {json.dumps(text)[:40]}")
    if len(text) > MOST_CHARACTERS:
        raise NotAReplyError(f"the reply has {len(text):,} characters")
    return text, choice


def is_cut(choice: Mapping[str, Any]) -> bool:
    """Whether a reply ended at its token limit."""
    return choice["finish_reason"] in CUT


def usage_of(answer: Mapping[str, Any], seconds: float) -> Usage:
    """The token counts that an answer states, 0 where it states none.

    Raises `NotAReplyError` for a count that is none.
    """
    usage = _object(answer, "usage")
    return Usage(
        prompt_tokens=_count(usage, "prompt_tokens"),
        completion_tokens=_count(usage, "completion_tokens"),
        seconds=seconds,
        cached_tokens=_count(_object(usage, "prompt_tokens_details"), "cached_tokens"),
    )


def said(content: Any) -> str:
    """The message within an error, as OpenAI, FastAPI and others write it, in one line."""
    while isinstance(content, dict):
        found = [content[name] for name in ("error", "message", "detail") if content.get(name)]
        if not found:
            break
        content = found[0]
    return line(content if isinstance(content, str) else json.dumps(content))


def line(text: Any) -> str:
    """A server's words in one line of bounded length."""
    return " ".join(str(text)[: 10 * MESSAGE_LENGTH].split())[:MESSAGE_LENGTH].rstrip(".")


def _object(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = content.get(name) or {}
    if not isinstance(found, dict):
        raise NotAReplyError(f"the answer's {name} is {json.dumps(found)[:40]}")
    return found


def _count(usage: Mapping[str, Any], name: str) -> int:
    found = usage.get(name)
    if found is None:
        return 0
    number = isinstance(found, (int, float)) and not isinstance(found, bool)
    if not number or not math.isfinite(found) or not 0 <= found <= MOST_TOKENS:
        raise NotAReplyError(f"the answer counts {found!r:.40} {name}")
    return int(found)

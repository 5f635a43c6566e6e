"""Replies whose reasoning is given: the model reads it as its own and writes only the action."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cotgap.agents.core import Backend, Request
from cotgap.agents.modes import get_mode
from cotgap.agents.prompts import reply_parts
from cotgap.agents.rendering import Renderer, Segment

COT = "cot"  # the mode whose replies hold reasoning, and whose parser reads them


def reads_prefill(backend: Backend) -> bool:
    """Whether a backend continues whatever a reply is made to start with.

    All do that do not say otherwise by an attribute `reads_prefill = False`, as policies that look
    at the environment instead. (For servers that cannot prefill there is the protocol `+asked`.)
    """
    return bool(getattr(backend, "reads_prefill", True))


def force(
    request: Request,
    thought: str | Sequence[int],
    renderer: Renderer | None,
    max_new_tokens: int,
) -> Request:
    """`request` with a reply that starts `<think>thought</think>`, line break, `<action>`.

    `thought` is a text, or token ids of the renderer's (which may end within a word). At most
    `max_new_tokens` follow: the action. The completion parses in mode `cot`, with this thought.
    Raises `ValueError` for a thought that holds the closing think tag.
    """
    ids = None if isinstance(thought, str) else tuple(thought)
    if ids is not None:
        assert renderer is not None
        thought = renderer.decode(ids)
    assert isinstance(thought, str)
    if request.tags.think_close in thought:
        raise ValueError(f"a thought ends at its first {request.tags.think_close}: {thought!r}")
    parts = reply_parts("", thought, request.tags)[:-1]  # all but the closing action tag
    pieces = () if renderer is None else renderer.pieces(parts)
    return replace(
        request,
        mode=COT,
        prefill="".join(part.text for part in parts),
        prefill_ids=tuple(id_ for piece in pieces for id_ in _ids_of(piece, ids)),
        stop=get_mode(COT).stop(request.tags),
        max_new_tokens=max_new_tokens,
    )


def _ids_of(piece: Segment, thought: Sequence[int] | None) -> Sequence[int]:
    return thought if piece.kind == "thought" and thought is not None else piece.ids

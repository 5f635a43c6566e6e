"""Where a model looks when it writes an action, and what the action's probability depends on.

Both need the model itself. Neither builds a whole attention matrix or keeps more than one layer's
activations: attention is computed for the action's tokens alone, behind a cache that is filled in
chunks; gradients are computed with every layer's forward pass repeated on the way back.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

import torch

from cotgap.agents.prompts import reply_parts
from cotgap.agents.rendering import Kind, Renderer, Segment

Part = Literal["prompt", "reasoning", "template", "action"]
PARTS: tuple[Part, ...] = ("prompt", "reasoning", "template", "action")
OF_KIND: Mapping[Kind, Part] = {
    "frame": "template",
    "tag": "template",
    "marker": "template",
    "instructions": "prompt",
    "observation": "prompt",
    "thought": "reasoning",
    "action": "prompt",  # of earlier turns
}
CHUNK = 512  # tokens read in one pass before the action


def sequence(
    prompt: Sequence[Segment], thought: str, action: str, tags: Any, renderer: Renderer
) -> tuple[list[int], list[Part], int]:
    """(token ids, the part that each belongs to, index of the action's first token).

    The sequence is the prompt and the reply up to the action's end, tokenised piece by piece as
    everywhere (which need not be how the model itself spelled its reply).
    """
    reply = renderer.pieces(reply_parts(action, thought, tags)[:-1])
    ids: list[int] = []
    parts: list[Part] = []
    for segment in (*prompt, *reply):
        written: Part = OF_KIND[segment.kind]
        if segment is reply[-1]:
            written = "action"
        ids += segment.ids
        parts += [written] * len(segment.ids)
    return ids, parts, len(ids) - len(reply[-1].ids)


@torch.inference_mode()
def attention_shares(
    model: Any, ids: Sequence[int], parts: Sequence[Part], start: int, chunk: int = CHUNK
) -> list[dict[Part, float]]:
    """For each layer the share of attention that falls on each part.

    Averaged over heads and over the positions that predict `ids[start:]`. `parts` names the part
    of each token. Shares add up to 1, but for models whose heads may attend to nothing.
    """
    from transformers import DynamicCache

    inputs = torch.tensor([ids[:-1]], device=model.device)
    cache = DynamicCache()  # without a configuration it keeps every token, windows or not
    first = start - 1
    for at in range(0, first, chunk):
        piece = inputs[:, at : min(at + chunk, first)]
        model(input_ids=piece, past_key_values=cache, use_cache=True, logits_to_keep=1)
    with _eager(model):
        out = model(
            input_ids=inputs[:, first:],
            past_key_values=cache,
            use_cache=True,
            output_attentions=True,
            logits_to_keep=1,
        )
    return [_by_part(layer[0].float().mean(dim=(0, 1)), parts) for layer in out.attentions]


def gradient_shares(
    model: Any, ids: Sequence[int], parts: Sequence[Part], start: int
) -> list[dict[Part, float]]:
    """Shares of the norms of the gradients of log p(`ids[start:]` | what is before), by part.

    The first entry is of the gradient with respect to the input embeddings, entry n + 1 of that
    with respect to the input of layer n. A part's share is the sum of its tokens' norms, relative
    to that of all tokens.
    """
    inputs = torch.tensor([ids[:-1]], device=model.device)
    wanted = torch.tensor(ids[start:], device=model.device)
    with torch.enable_grad(), ExitStack() as stack:
        seen = stack.enter_context(_recorded(model))
        out = model(input_ids=inputs, use_cache=False, logits_to_keep=len(wanted))
        chances = torch.log_softmax(out.logits[0, -len(wanted) :].float(), dim=-1)
        total = chances.gather(1, wanted[:, None]).sum()
        gradients = torch.autograd.grad(total, seen)
    shares = []
    for gradient in gradients:
        norms = gradient[0].float().norm(dim=-1)
        shares.append(_by_part(norms / norms.sum(), parts))
    return shares


def _by_part(amounts: torch.Tensor, parts: Sequence[Part]) -> dict[Part, float]:
    found: dict[Part, float] = dict.fromkeys(PARTS, 0.0)
    for part, amount in zip(parts, amounts.tolist(), strict=False):  # the last token sees nothing
        found[part] += amount
    return found


@contextmanager
def _eager(model: Any) -> Iterator[None]:
    """With attention that can be looked at."""
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)


@contextmanager
def _recorded(model: Any) -> Iterator[list[torch.Tensor]]:
    """The embeddings, as a leaf, and each layer's input, as they come.

    Layers keep their input only and run again when gradients come back.
    """
    from transformers.modeling_layers import GradientCheckpointingLayer

    seen: list[torch.Tensor] = []

    def embedded(module: Any, arguments: Any, output: torch.Tensor) -> torch.Tensor:
        seen.append(output.detach().requires_grad_())
        return seen[0]

    def entered(module: Any, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        seen.append(arguments[0] if arguments else named["hidden_states"])

    layers = [m for m in model.modules() if isinstance(m, GradientCheckpointingLayer)]
    hooks = [model.get_input_embeddings().register_forward_hook(embedded)]
    hooks += [layer.register_forward_pre_hook(entered, with_kwargs=True) for layer in layers]
    try:
        for layer in layers:
            layer.forward = functools.partial(_repeatable, layer.forward)
        yield seen
    finally:
        for layer in layers:
            layer.__dict__.pop("forward", None)
        for hook in hooks:
            hook.remove()


def _repeatable(forward: Any, *arguments: Any, **named: Any) -> Any:
    from torch.utils.checkpoint import checkpoint

    return checkpoint(forward, *arguments, use_reentrant=False, **named)

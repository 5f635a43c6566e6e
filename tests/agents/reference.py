"""What a plain `generate` answers, one request at a time."""

from __future__ import annotations

from cotgap.agents.core import Request
from cotgap.agents.decoding.backend import TransformersBackend
from cotgap.agents.text import cut_at_stop


def generated(backend: TransformersBackend, asked: Request) -> str:
    """The text of transformers' own greedy generation for the request's token ids."""
    import torch

    start = [*(asked.token_ids or ()), *asked.prefill_ids]
    tokenizer = backend.renderer.tokenizer
    ends = [id_ for id_ in (tokenizer.eos_token_id, backend.renderer.turn_end) if id_ is not None]
    out = backend.model.generate(
        input_ids=torch.tensor([start]),
        attention_mask=torch.ones(1, len(start), dtype=torch.long),
        max_new_tokens=asked.max_new_tokens,
        do_sample=False,
        eos_token_id=ends,
        pad_token_id=0,
        tokenizer=tokenizer,
        stop_strings=list(asked.stop) or None,
    )
    ids = out[0, len(start) :].tolist()
    written = ids[:-1] if ids[-1] in ends else ids
    before = backend.renderer.decode(asked.prefill_ids)
    text = backend.renderer.decode([*asked.prefill_ids, *written]).removeprefix(before)
    return cut_at_stop(text, asked.stop)[0]

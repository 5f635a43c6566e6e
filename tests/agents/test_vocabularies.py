"""Prompts of tokenizers that treat the beginning of a text differently, to the character."""

from __future__ import annotations

from itertools import pairwise

import pytest

from cotgap.agents.core import Request, Sampling, Tags
from cotgap.agents.prompts import Dialogue
from cotgap.agents.protocol import TAGS_1
from cotgap.agents.rendering import Renderer
from cotgap.envs.core import CoTGapError

from .vocabularies import KEEPING, SPOKEN, lower_case, word_piece

OBSERVATIONS = ("You see a mug 1.\n", "  Café № 5 – «ü»\n\nhm ", "", " \n", "[INST] look")


def renderer_of(vocabulary: str, template: str) -> Renderer:
    tokenizer = KEEPING[vocabulary]()
    tokenizer.chat_template = SPOKEN[template]
    return Renderer(tokenizer, 10_000)


def converse(renderer: Renderer) -> list[tuple[Request, Request]]:
    talk = Dialogue(TAGS_1, Tags(), "Rules.\nBe brief.", renderer=renderer)
    states = []
    for observation in OBSERVATIONS:
        talk.observe(observation, None)
        prompt, cot = (
            talk.request(mode, sampling=Sampling(), seed=0, cache_key="", max_new_tokens=9)
            for mode in ("prompt", "cot")
        )
        states.append((prompt, cot))
        talk.act("put mug 1 in/on desk 2", None)
    return states


@pytest.mark.parametrize("template", SPOKEN)
@pytest.mark.parametrize("vocabulary", KEEPING)
def test_ids_decode_to_the_template_s_text(vocabulary: str, template: str) -> None:
    renderer = renderer_of(vocabulary, template)
    assert renderer.rewritten == ""
    states = converse(renderer)
    for prompt, cot in states:
        messages = [{"role": m.role, "content": m.content} for m in prompt.messages]
        text = renderer.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
        assert prompt.token_ids == cot.token_ids
        assert renderer.decode(prompt.token_ids or ()) == text
        assert renderer.decode((*(prompt.token_ids or ()), *prompt.prefill_ids)) == (
            f"{text}<action>"
        )
        assert renderer.decode(cot.prefill_ids) == "<think>"
    for (before, _), (after, _) in pairwise(states):
        ids = before.token_ids or ()
        assert (after.token_ids or ())[: len(ids)] == ids


@pytest.mark.parametrize("vocabulary", KEEPING)
def test_pieces_cost_about_what_the_whole_does(vocabulary: str) -> None:
    """Spaces that no text has would be tokens of their own."""
    renderer = renderer_of(vocabulary, "tight")
    ids = converse(renderer)[-1][0].token_ids or ()
    whole = renderer.tokenizer(renderer.decode(ids), add_special_tokens=False)["input_ids"]
    assert len(ids) <= 1.1 * len(whole)


def test_special_tokens_that_swallow_white_space_leave_it() -> None:
    renderer = renderer_of("greedy specials", "phi 3")
    end = renderer.tokenizer.convert_tokens_to_ids("<|end|>")
    assert renderer.turn_end == end
    ids = converse(renderer)[0][0].token_ids or ()
    assert ids.count(end) == 2
    assert "<|end|>\n<|assistant|>\n" in renderer.decode(ids)


def test_replies_keep_their_first_space() -> None:
    renderer = renderer_of("prepend", "llama 2")
    ids = renderer.encode(" look", False)
    assert renderer.decode(ids) == " look"
    assert renderer.decode(renderer.encode("look", False)) == "look"


@pytest.mark.parametrize("make", [lower_case, word_piece])
def test_tokenizers_that_lose_text_are_refused(make: object) -> None:
    tokenizer = make()  # type: ignore[operator]
    tokenizer.chat_template = SPOKEN["tight"]
    with pytest.raises(CoTGapError, match=r"does not keep text: a prompt that reads '.*' becomes"):
        Renderer(tokenizer, 1000)

"""Forced reasoning: exact tokens, and the action alone is decoded."""

from __future__ import annotations

import pytest

from cotgap.agents.agent import Agent
from cotgap.agents.backends.scripted import from_callable, noisy_agent
from cotgap.agents.core import Request, Sampling
from cotgap.agents.forcing import force, reads_prefill

THOUGHT = "I have not seen the mug. So I go to drawer 3."


def request(agent: Agent) -> Request:
    talk = agent.dialogue("Rules.")
    talk.observe("You see a desk 1.", None)
    return talk.request("prompt", sampling=Sampling(), seed=0, cache_key="x", max_new_tokens=20)


def test_the_reply_starts_with_the_thought(tiny_agent: Agent) -> None:
    base, renderer = request(tiny_agent), tiny_agent.backend.renderer
    assert renderer is not None
    forced = force(base, THOUGHT, renderer, 12)
    assert forced.prefill == f"<think>{THOUGHT}</think>\n<action>"
    assert renderer.decode(forced.prefill_ids) == forced.prefill
    assert forced.token_ids == base.token_ids
    assert (forced.stop, forced.max_new_tokens) == (("</action>",), 12)
    assert forced.prefill_ids[: 1 + len(renderer.encode(THOUGHT, False))] == (
        *renderer.encode("<think>", True),
        *renderer.encode(THOUGHT, False),
    )


def test_tokens_are_kept_as_they_are(tiny_agent: Agent) -> None:
    base, renderer = request(tiny_agent), tiny_agent.backend.renderer
    assert renderer is not None
    ids = renderer.encode(THOUGHT, False)
    for count in (0, 1, len(ids) // 2, len(ids)):
        forced = force(base, ids[:count], renderer, 12)
        assert forced.prefill == f"<think>{renderer.decode(ids[:count])}</think>\n<action>"
        tags = [renderer.encode(tag, True) for tag in ("<think>", "</think>", "<action>")]
        length = sum(map(len, tags)) + len(renderer.encode("\n", True)) + count
        assert len(forced.prefill_ids) == length
        assert forced.prefill_ids[len(tags[0]) : len(tags[0]) + count] == ids[:count]
    assert force(base, ids, renderer, 12) == force(base, THOUGHT, renderer, 12)


def test_the_action_is_parsed_with_its_thought(tiny_agent: Agent) -> None:
    forced = force(request(tiny_agent), THOUGHT, tiny_agent.backend.renderer, 12)
    (decision,) = tiny_agent.decide([forced])
    assert decision.thought == THOUGHT
    assert decision.raw.startswith(forced.prefill)
    assert decision.usage.completion_tokens <= 12


def test_a_thought_that_ends_early_is_refused(tiny_agent: Agent) -> None:
    with pytest.raises(ValueError, match="</think>"):
        force(request(tiny_agent), "a </think> b", tiny_agent.backend.renderer, 12)


def test_who_reads_a_prefill(tiny_agent: Agent) -> None:
    assert reads_prefill(tiny_agent.backend)
    assert reads_prefill(from_callable(lambda request: "look</action>"))
    assert not reads_prefill(noisy_agent())

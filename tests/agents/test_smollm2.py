"""SmolLM2-135M-Instruct: a real model, its real tokenizer and template."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import pytest
import torch

from cotgap.agents.agent import Agent
from cotgap.agents.core import Completion, Decision, Request, Sampling
from cotgap.agents.decoding.backend import TransformersBackend
from cotgap.agents.rendering import Renderer
from cotgap.benchmark.records.config import Limits
from cotgap.benchmark.records.episode import Status
from cotgap.benchmark.rollout.episode import Decoding, Job
from cotgap.envs.registry import get_panel
from cotgap.envs.toy import SUITE
from tests.playing import played

from .reference import generated

INSTRUCTIONS = "You are in a house. Each turn, give one action: go to PLACE, take THING, look."
STEPS = [
    (f"You arrive at desk {n}. On the desk {n}, you see a mug {n}.", f"put mug {n} in/on desk {n}")
    for n in range(1, 11)
]


@pytest.fixture(scope="module")
def renderer(smollm2: Agent) -> Renderer:
    return cast(Renderer, smollm2.backend.renderer)


def conversation(
    agent: Agent, steps: int, *, tokens: int = 12, temperature: float = 0.0
) -> list[tuple[Request, Request]]:
    """(prompt, cot) requests at each state."""
    talk = agent.dialogue(INSTRUCTIONS)
    states = []
    for step, (observation, action) in enumerate(STEPS[:steps]):
        talk.observe(observation, None)
        prompt, cot = (
            talk.request(
                mode,
                sampling=Sampling(temperature),
                seed=step,
                cache_key="",
                max_new_tokens=tokens,
            )
            for mode in ("prompt", "cot")
        )
        states.append((prompt, cot))
        talk.act(action, "not kept")
    return states


def test_prompts_are_the_template_s_and_only_grow(smollm2: Agent, renderer: Renderer) -> None:
    states = conversation(smollm2, 10)
    for prompt, cot in states:
        assert prompt.token_ids == cot.token_ids
        messages = [{"role": m.role, "content": m.content} for m in prompt.messages]
        text = renderer.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
        assert renderer.decode(prompt.token_ids or ()) == text
        assert renderer.decode(prompt.prefill_ids) == "<action>"
        assert renderer.decode(cot.prefill_ids) == "<think>"
    for (before, _), (after, _) in pairwise(states):
        ids = (before.token_ids or ()) + before.prefill_ids
        assert (after.token_ids or ())[: len(ids)] == ids


def test_tokens_of_the_first_turn_are_the_template_s(smollm2: Agent, renderer: Renderer) -> None:
    """Pieces meet at special tokens and line breaks, where nothing merges."""
    (prompt, _), *_ = conversation(smollm2, 1)
    messages = [{"role": m.role, "content": m.content} for m in prompt.messages]
    text = renderer.tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True
    )
    assert prompt.token_ids == tuple(
        renderer.tokenizer(text, add_special_tokens=False)["input_ids"]
    )


def test_greedy_decoding_is_transformers_own_in_any_batch(smollm2: Agent) -> None:
    backend = cast(TransformersBackend, smollm2.backend)
    requests = [request for pair in conversation(smollm2, 2) for request in pair]
    together = backend.complete(requests)
    for asked, done in zip(requests, together, strict=True):
        start = [*(asked.token_ids or ()), *asked.prefill_ids]
        out = backend.model.generate(
            input_ids=torch.tensor([start]),
            attention_mask=torch.ones(1, len(start), dtype=torch.long),
            max_new_tokens=asked.max_new_tokens,
            do_sample=False,
        )
        own = backend.renderer.decode(out[0, len(start) :].tolist()).removesuffix("<|im_end|>")
        assert own.startswith(done.text)
        assert own == done.text or done.finish_reason == "stop"


def test_a_run_s_tokens_are_those_of_generate(smollm2: Agent) -> None:
    """Both modes of one game, two states each, played by the engine from shared rows."""
    backend = cast(TransformersBackend, smollm2.backend)
    panel = get_panel("toy/id")
    key = panel.key(panel.tasks[0].id)
    jobs = [Job(key, panel.lock, *how, 0) for how in (("prompt", ()), ("cot", ("prompt",)))]
    decoding = Decoding(Sampling(), Limits(action_tokens=6, thought_tokens=6), 0)
    asked: list[Request] = []

    class Watched(Agent):
        def parse(self, request: Request, completion: Completion) -> Decision:
            asked.append(request)
            decision = super().parse(request, completion)
            assert decision.raw == request.prefill + generated(backend, request)
            return decision

    watched = Watched("it", "it", backend)
    limited = panel.with_step_limit(2)
    episodes = played(watched, jobs, decoding, lambda key: SUITE.make(limited), width=2)
    assert {episode.status for episode in episodes} == {Status.TRUNCATED}
    assert len(asked) == 6


def test_sampling_does_not_depend_on_the_batch(smollm2: Agent) -> None:
    states = conversation(smollm2, 2, tokens=6, temperature=1.0)
    requests = [request for pair in states for request in pair]
    together = [decision.raw for decision in smollm2.decide(requests)]
    assert [smollm2.decide([request])[0].raw for request in requests] == together


def test_it_answers_a_question(smollm2: Agent, renderer: Renderer) -> None:
    """The weights were unpacked right: it is a language model, not noise."""
    question = [{"role": "user", "content": "What is the capital of France?"}]
    text = renderer.tokenizer.apply_chat_template(
        question, tokenize=False, add_generation_prompt=True
    )
    request = Request((), "", (), 12, "prompt", token_ids=renderer.encode(text, True))
    assert smollm2.backend.complete([request])[0].text == "The capital of France is Paris."


def test_description(smollm2: Agent) -> None:
    said = smollm2.describe()
    assert (said["name"], said["architecture"]) == ("smollm2", "LlamaForCausalLM")
    assert (said["parameters"], said["context"]) == (134_515_008, 8192)
    assert (said["dtype"], said["decoding"]) == ("float32", "slots")

"""The requests to answer: both modes at each state of games that a noisy expert plays."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

import torch

from cotgap.agents.agent import Agent
from cotgap.agents.core import Request, Sampling
from cotgap.agents.decoding.backend import TransformersBackend
from cotgap.agents.decoding.lockstep import shared
from cotgap.agents.modes import get_mode, modes
from cotgap.agents.training.vocabulary import train_tokenizer
from cotgap.envs.core import Expert, TaskKey
from cotgap.envs.registry import get_panel, get_suite

GameRequests = Sequence[Sequence[Request]]
"""The requests at each state of a game."""

NOISE = 0.3  # how often the expert takes another action
TINY: Mapping[str, Any] = {
    "hidden_size": 192,
    "intermediate_size": 512,
    "num_hidden_layers": 5,
    "num_attention_heads": 3,
    "num_key_value_heads": 3,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": True,
    "initializer_range": 0.1,
}


def tiny_agent(panel: str) -> Agent:
    """A Llama of about 2 million random weights, with a vocabulary for the panel's games."""
    from transformers import LlamaConfig, LlamaForCausalLM

    chosen = get_panel(panel)
    env = get_suite(chosen.suite).make(chosen)
    texts = [env.reset(options={"task": task.id})[0] for task in chosen.tasks[:50]]
    tokenizer = train_tokenizer([env.instructions, *texts])
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **TINY)).eval()
    return Agent("tiny", "tiny", TransformersBackend(model, tokenizer, ""))


def play_game(
    agent: Agent, key: TaskKey, driver: str, steps: int, limits: Mapping[str, int]
) -> list[list[Request]]:
    """The requests of a game that the noisy expert plays; a reasoning driver has shadows."""
    panel = get_panel(key.panel)
    env, dice = get_suite(panel.suite).make(panel), random.Random(f"{key}|{driver}")
    asked = modes() if get_mode(driver).thinks else (driver,)
    observation, info = env.reset(seed=key.seed, options={"task": key.task})
    talk = agent.dialogue(env.instructions, reserve=max(limits.values()), example=panel.example)
    states: list[list[Request]] = []
    over = False
    while not over and len(states) < steps:
        talk.observe(observation, info.get("admissible_actions"))
        states.append(
            [
                talk.request(
                    mode,
                    sampling=Sampling(),
                    seed=0,
                    cache_key=f"{key}|{driver}",
                    max_new_tokens=limits[mode],
                )
                for mode in asked
            ]
        )
        other = env.sample_action(dice) if dice.random() < NOISE else None
        action = other or cast(Expert, env).expert_action()
        talk.act(action, None)
        observation, _, terminated, truncated, info = env.step(action)
        over = terminated or truncated
    env.close()
    return states


def context(request: Request) -> list[int]:
    """The token ids that the reply continues: the prompt and the prefill."""
    return [*(request.token_ids or ()), *request.prefill_ids]


def distinct_tokens(requests: Sequence[Request]) -> int:
    """The number of tokens to read if no common prefix is read twice."""
    starts = sorted(context(one) for one in requests)
    repeated = sum(shared(*pair) for pair in pairwise(starts))
    return sum(map(len, starts)) - repeated

"""Measures local decoding against simpler ways: `python -m benchmark.speed --help`.

All ways answer the same requests in the same process: both modes at each state of real games, in
prompts that grow. An expert with some noise plays, so that no way can change what is asked. Each
game is played twice (driven by one mode, then by the other with the first one as a shadow), as
`--mode both` does. Times are processor time of one thread, so that other work on the machine
counts as little as it can. The ideal is every distinct token once, at the rate of a long forward
pass.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeVar, cast

import torch

from agents.agent import Agent
from agents.backends._batched import BatchedDecoder
from agents.backends._loading import quiet
from agents.backends._lockstep import shared
from agents.backends._replies import Decoder
from agents.backends._text import cut_at_stop
from agents.backends.transformers import TransformersBackend
from agents.core import Completion, Request, Sampling
from agents.modes import get_mode, modes
from agents.specs import make_agent
from agents.training.vocabulary import train_tokenizer
from envs.core import CoTGapError, Expert, TaskKey
from envs.registry import get_panel, get_suite

Game = Sequence[Sequence[Request]]
"""What is asked at each state."""
T = TypeVar("T")

NOISE = 0.3  # how often the expert takes another action
CHUNK = 512  # tokens of a forward pass that the ideal is measured with
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


class Batches(TransformersBackend):
    """The same model without the slot cache."""

    def _make_decoder(self, memory: int) -> Decoder:
        return BatchedDecoder(lambda: self.model, self._rules, self.batch_size)


def main() -> None:
    """Print a table of all ways for one model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--agent", default="tiny", help="tiny (random weights) or any local model")
    parser.add_argument("--panel", default="household/id")
    parser.add_argument("--games", type=int, default=16, help="each is played twice")
    parser.add_argument("--steps", type=int, default=20, help="states a game, at most")
    parser.add_argument("--batch-size", type=int, default=None)
    parser.add_argument("--action-tokens", type=int, default=12)
    parser.add_argument("--thought-tokens", type=int, default=36)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--every", type=int, default=1, help="`generate` answers every N-th request, scaled up"
    )
    parser.add_argument("--no-batches", action="store_true", help="leave out padded batches")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    agent = (
        tiny(options.panel)
        if options.agent == "tiny"
        else make_agent(options.agent, threads=options.threads)
    )
    if not isinstance(agent.backend, TransformersBackend):
        raise CoTGapError(f"agent {options.agent!r} is no local model")
    thoughts = {mode: options.thought_tokens * get_mode(mode).thinks for mode in modes()}
    limits = {mode: options.action_tokens + thoughts[mode] for mode in modes()}
    panel = get_panel(options.panel)
    keys = [panel.key(task.id) for task in panel.tasks[: options.games]]
    games = [game(agent, key, driver, options.steps, limits) for key in keys for driver in modes()]
    batches = not options.no_batches
    compare(agent.backend, games, options.batch_size, options.every, batches=batches)


def tiny(panel: str) -> Agent:
    """A Llama of about 2 million random weights, with a vocabulary for the panel's games."""
    from transformers import LlamaConfig, LlamaForCausalLM

    chosen = get_panel(panel)
    env = get_suite(chosen.suite).make(chosen)
    texts = [env.reset(options={"task": task.id})[0] for task in chosen.tasks[:50]]
    tokenizer = train_tokenizer([env.instructions, *texts])
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **TINY)).eval()
    return Agent("tiny", "tiny", TransformersBackend(model, tokenizer, ""))


def game(
    agent: Agent, key: TaskKey, driver: str, steps: int, limits: Mapping[str, int]
) -> list[list[Request]]:
    """One game by the noisy expert; a reasoning driver has the other modes as shadows."""
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


def streamed(backend: TransformersBackend, games: Sequence[Game]) -> list[Completion]:
    """Each game at its own pace, `batch_size` at a time, as the local engine plays them."""
    waiting = [(number, 0) for number in range(len(games))][::-1]
    flying: dict[int, tuple[int, int, int]] = {}
    open_: dict[int, int] = {}
    done: dict[tuple[int, int, int], Completion] = {}
    while waiting or flying:
        while waiting and len(open_) < backend.batch_size:
            number, step = waiting.pop()
            tickets = backend.submit(games[number][step])
            open_[number] = len(tickets)
            flying |= {ticket: (number, step, i) for i, ticket in enumerate(tickets)}
        for ticket, completion in backend.collect():
            number, step, _ = place = flying.pop(ticket)
            done[place] = completion
            open_[number] -= 1
            if not open_[number]:
                del open_[number]
                if step + 1 < len(games[number]):
                    waiting.append((number, step + 1))
    return [done[place] for place in sorted(done)]


def in_step(backend: TransformersBackend, games: Sequence[Game]) -> list[Completion]:
    """`batch_size` games at a time, all of which take each step together."""
    done: dict[tuple[int, int, int], Completion] = {}
    for start in range(0, len(games), backend.batch_size):
        group = range(start, min(start + backend.batch_size, len(games)))
        for step in range(max(len(games[number]) for number in group)):
            places = [
                (number, step, i)
                for number in group
                if step < len(games[number])
                for i in range(len(games[number][step]))
            ]
            answers = backend.complete([games[n][s][i] for n, s, i in places])
            done |= dict(zip(places, answers, strict=True))
    return [done[place] for place in sorted(done)]


def compare(
    backend: TransformersBackend,
    games: Sequence[Game],
    size: int | None,
    every: int,
    *,
    batches: bool,
) -> None:
    """Time all ways and print a line for each."""
    model, tokenizer = backend.model, backend.renderer.tokenizer
    requests = [one for states in games for state in states for one in state]
    ours = TransformersBackend(model, tokenizer, "", size)
    print(f"{len(games)} games, {len(requests)} requests, {ours.batch_size} at a time", flush=True)
    done, seconds = _timed(lambda: streamed(ours, games))
    computed = sum(one.usage.prompt_tokens - one.usage.cached_tokens for one in done)
    written = sum(one.usage.completion_tokens for one in done)
    prompts = sum(one.usage.prompt_tokens for one in done)
    print(f"{prompts} prompt tokens, {computed} of them computed; {written} tokens written")
    ideal = (distinct(requests) + written) * seconds_per_token(model)
    _line("slot cache", seconds, seconds, f"{ideal / seconds:.0%} of the ideal ({ideal:.1f} s)")
    if batches:
        plain = Batches(model, tokenizer, "", ours.batch_size)
        others, took = _timed(lambda: in_step(plain, games))
        same = sum(one.text == other.text for one, other in zip(done, others, strict=True))
        _line("left-padded batches", took, seconds, f"{same} of {len(done)} replies are the same")
    sample = list(zip(requests, done, strict=True))[::every]
    texts, took = _timed(lambda: [generate(backend, *pair) for pair in sample])
    same = sum(one.text == text for (_, one), text in zip(sample, texts, strict=True))
    took *= len(done) / len(sample)
    _line("a generate for each", took, seconds, f"{same} of {len(sample)} replies are the same")


def distinct(requests: Sequence[Request]) -> int:
    """How many tokens there are to read if no common beginning is read twice."""
    starts = sorted([*(one.token_ids or ()), *one.prefill_ids] for one in requests)
    repeated = sum(shared(*pair) for pair in pairwise(starts))
    return sum(map(len, starts)) - repeated


def _timed(play: Callable[[], T]) -> tuple[T, float]:
    begun = time.process_time()
    return play(), time.process_time() - begun


def _line(name: str, took: float, ours: float, remark: str) -> None:
    print(f"{name:20} {took:8.1f} s {took / ours:6.2f}×  {remark}", flush=True)


@torch.inference_mode()
def seconds_per_token(model: Any, passes: int = 5) -> float:
    """Processor time that a token takes in a long forward pass: the least of a few."""
    ids = torch.arange(CHUNK)[None] % model.get_input_embeddings().num_embeddings
    times = []
    for _ in range(passes):
        before = time.process_time()
        model(input_ids=ids, use_cache=True, logits_to_keep=1)
        times.append(time.process_time() - before)
    return min(times) / CHUNK


def generate(backend: TransformersBackend, asked: Request, answer: Completion) -> str:
    """The reply by `generate`, told how many tokens to write: finding the end costs it nothing."""
    start = [*(asked.token_ids or ()), *asked.prefill_ids]
    with quiet():
        out = backend.model.generate(
            input_ids=torch.tensor([start]),
            attention_mask=torch.ones(1, len(start), dtype=torch.long),
            max_new_tokens=answer.usage.completion_tokens,
            do_sample=False,
            pad_token_id=0,
        )
    ids = out[0, len(start) :].tolist()
    text = backend.renderer.decode(ids[:-1] if answer.finish_reason == "eos" else ids)
    return cut_at_stop(text, asked.stop)[0]


if __name__ == "__main__":
    try:
        main()
    except CoTGapError as error:
        sys.exit(f"error: {error}")

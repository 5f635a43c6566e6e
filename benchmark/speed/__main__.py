"""The command: `python -m cotgap.benchmark.speed --help`."""

from __future__ import annotations

import argparse
import copy
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch

import cotgap.benchmark.speed
from cotgap.agents.core import Request
from cotgap.agents.decoding.backend import TransformersBackend
from cotgap.agents.modes import get_mode, modes
from cotgap.agents.serving.backend import OpenAIBackend
from cotgap.agents.specs import make_agent
from cotgap.benchmark.speed.games import Game, begun, distinct, game, tiny
from cotgap.benchmark.speed.ways import Batches, continuous, generate, in_step, streamed
from cotgap.envs.core import CoTGapError
from cotgap.envs.registry import get_panel

T = TypeVar("T")
CHUNK = 512  # tokens of a forward pass that the ideal is measured with
LEAVE_OUT = ("batches", "continuous", "generate", "bfloat16")


def main() -> None:
    """Print a table of all ways for one model."""
    parser = argparse.ArgumentParser(
        prog="python -m cotgap.benchmark.speed",
        description=cotgap.benchmark.speed.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--agent",
        default="tiny",
        help="tiny (random weights) or any local model (default: %(default)s)",
    )
    parser.add_argument(
        "--panel", default="household/id", help="whose games are played (default: %(default)s)"
    )
    parser.add_argument(
        "--games", type=int, default=16, help="each is played twice (default: %(default)s)"
    )
    parser.add_argument(
        "--steps", type=int, default=20, help="states a game, at most (default: %(default)s)"
    )
    parser.add_argument("--batch-size", type=int, help="rows; by default the local backend's")
    parser.add_argument(
        "--action-tokens", type=int, default=12, help="at most (default: %(default)s)"
    )
    parser.add_argument(
        "--thought-tokens", type=int, default=36, help="at most (default: %(default)s)"
    )
    parser.add_argument(
        "--threads", type=int, default=1, help="of torch, here (default: %(default)s)"
    )
    parser.add_argument(
        "--every",
        type=int,
        default=1,
        help="`generate` answers every N-th request, scaled up (default: %(default)s)",
    )
    parser.add_argument(
        "--without", choices=LEAVE_OUT, action="append", default=[], help="a way to leave out"
    )
    parser.add_argument(
        "--server",
        metavar="URL",
        help="a server of the same model besides, such as http://localhost:8000/v1",
    )
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
    compare(agent.backend, games, options)


def compare(
    backend: TransformersBackend, games: Sequence[Game], options: argparse.Namespace
) -> None:
    """Time all ways and print a line for each."""
    model, tokenizer = backend.model, backend.renderer.tokenizer
    requests = [one for states in games for state in states for one in state]
    ours = TransformersBackend(model, tokenizer, "", options.batch_size)
    size, wanted = ours.batch_size, set(LEAVE_OUT) - set(options.without)
    print(f"{len(games)} games, {len(requests)} requests, {size} at a time", flush=True)
    done, base = _timed(lambda: streamed(ours, games, size))
    computed = sum(one.usage.prompt_tokens - one.usage.cached_tokens for one in done)
    written = sum(one.usage.completion_tokens for one in done)
    prompts = sum(one.usage.prompt_tokens for one in done)
    print(f"{prompts} prompt tokens, {computed} of them computed; {written} tokens written")
    ideal = (distinct(requests) + written) * seconds_per_token(model)
    texts = [one.text for one in done]
    print(f"{'way':24} {'cpu s':>8} {'wall s':>8} {'ratio':>7}")
    _line("slot cache", base, 1.0, f"{ideal / base[0]:.0%} of the ideal ({ideal:.1f} s)")
    if options.server:
        served, took = _timed(lambda: by_server(options.server, tokenizer, games, size))
        _line("the server", took, took[1] / base[1], f"of wall time; {_same(served, texts)}")
    if "continuous" in wanted:
        replies, took = _timed(lambda: continuous(backend, games, done, size))
        _line("continuous batching", took, took[0] / base[0], _same(replies, texts))
    if "batches" in wanted:
        plain = Batches(model, tokenizer, "", size)
        answers, took = _timed(lambda: in_step(plain, games))
        replies = [one.text for one in answers]
        _line("left-padded batches", took, took[0] / base[0], _same(replies, texts))
    if "generate" in wanted:
        sample = list(zip(requests, done, strict=True))[:: options.every]
        replies, took = _timed(lambda: [generate(backend, *pair) for pair in sample])
        scaled = (took[0] * len(done) / len(sample), took[1] * len(done) / len(sample))
        remark = _same(replies, [one.text for _, one in sample])
        _line("a generate for each", scaled, scaled[0] / base[0], remark)
    if "bfloat16" in wanted:
        changed, total = flips(backend, requests, texts)
        print(
            f"in bfloat16, {changed} of the {total} tokens would be others ({changed / total:.2%})"
        )


def by_server(url: str, tokenizer: Any, games: Sequence[Game], size: int) -> list[str]:
    """The replies of an OpenAI-compatible server, asked with token ids."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        agent = make_agent(f"openai:{url}", tokenizer=Path(folder))
    try:
        if not isinstance(agent.backend, OpenAIBackend):
            raise CoTGapError(f"{url} is no server")
        return [one.text for one in streamed(agent.backend, games, size)]
    finally:
        agent.close()


@torch.inference_mode()
def flips(
    backend: TransformersBackend, requests: Sequence[Request], texts: Sequence[str]
) -> tuple[int, int]:
    """(How many tokens of the replies are not what bfloat16 chooses after the same tokens, all)."""
    model = copy.deepcopy(backend.model).to(torch.bfloat16)
    changed = total = 0
    for asked, text in zip(requests, texts, strict=True):
        start = begun(asked)
        reply = backend.renderer.tokenizer(text, add_special_tokens=False)["input_ids"]
        ids = torch.tensor([[*start, *reply]])
        choices = [
            one(input_ids=ids, logits_to_keep=len(reply) + 1).logits[0, :-1].argmax(-1)
            for one in (backend.model, model)
        ]
        changed += int((choices[0] != choices[1]).sum())
        total += len(reply)
    return changed, total


def _same(texts: Sequence[str], ours: Sequence[str]) -> str:
    same = sum(one == other for one, other in zip(texts, ours, strict=True))
    return f"{same} of {len(texts)} replies are the same"


def _timed(play: Callable[[], T]) -> tuple[T, tuple[float, float]]:
    """What it returns, and (processor, wall) seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = play()
    return result, (time.process_time() - cpu, time.perf_counter() - wall)


def _line(name: str, took: tuple[float, float], ratio: float, remark: str) -> None:
    print(f"{name:24} {took[0]:8.1f} {took[1]:8.1f} {ratio:6.2f}×  {remark}", flush=True)


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


if __name__ == "__main__":
    try:
        main()
    except CoTGapError as error:
        sys.exit(f"error: {error}")

"""The command `python -m tools.decoding_speed`."""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Callable, Sequence, Set
from pathlib import Path
from typing import Annotated, Any, TypeVar

import torch
import typer

from cotgap.agents.core import Request
from cotgap.agents.decoding.backend import TransformersBackend
from cotgap.agents.modes import get_mode, modes
from cotgap.agents.serving.backend import OpenAIBackend
from cotgap.agents.specs import make_agent
from cotgap.envs.core import CoTGapError, UnknownNameError
from cotgap.envs.registry import get_panel
from tools.cli import run
from tools.decoding_speed.games import GameRequests, context, distinct_tokens, play_game, tiny_agent
from tools.decoding_speed.ways import PaddedBatches, continuous, generate, in_step, streamed

app = typer.Typer(add_completion=False)
T = TypeVar("T")
CHUNK = 512  # tokens of a forward pass that the ideal is measured with
LEAVE_OUT = ("batches", "continuous", "generate", "bfloat16")


EXAMPLES = """Examples:

    python -m tools.decoding_speed

    python -m tools.decoding_speed --agent ckpt --games 32 --every 6
    --server http://localhost:8000/v1

    python -m tools.decoding_speed --agent smollm2 --games 8 --steps 8 --every 12
    --without continuous"""


@app.command(epilog=EXAMPLES)
def main(
    agent: Annotated[str, typer.Option(help="tiny (random weights) or any local model.")] = "tiny",
    panel: Annotated[str, typer.Option(help="Whose games are played.")] = "household/id",
    games: Annotated[int, typer.Option(help="Each is played twice.", min=1)] = 16,
    steps: Annotated[int, typer.Option(help="States of a game, at most.", min=1)] = 20,
    batch_size: Annotated[
        int | None, typer.Option(help="Rows of a batch.", show_default="the local backend's")
    ] = None,
    action_tokens: Annotated[int, typer.Option(help="Tokens of an action, at most.")] = 12,
    thought_tokens: Annotated[int, typer.Option(help="Tokens of a thought, at most.")] = 36,
    threads: Annotated[int, typer.Option(help="Threads of torch in this process.", min=1)] = 1,
    every: Annotated[
        int, typer.Option(help="`generate` answers every N-th request, scaled up.", min=1)
    ] = 1,
    without: Annotated[
        list[str] | None,
        typer.Option(help=f"A way to leave out: {', '.join(LEAVE_OUT)}; repeat for several."),
    ] = None,
    server: Annotated[
        str | None, typer.Option(help="URL of a server of the same model, to be timed too.")
    ] = None,
) -> None:
    """Answer the same requests in several ways, and print a table of what each takes."""
    for name in without or ():
        if name not in LEAVE_OUT:
            raise UnknownNameError("way to leave out", name, LEAVE_OUT)
    torch.set_num_threads(threads)
    player = tiny_agent(panel) if agent == "tiny" else make_agent(agent, threads=threads)
    if not isinstance(player.backend, TransformersBackend):
        raise CoTGapError(f"agent {agent!r} is no local model")
    thoughts = {mode: thought_tokens * get_mode(mode).thinks for mode in modes()}
    limits = {mode: action_tokens + thoughts[mode] for mode in modes()}
    chosen = get_panel(panel)
    keys = [chosen.key(task.id) for task in chosen.tasks[:games]]
    played = [play_game(player, key, driver, steps, limits) for key in keys for driver in modes()]
    compare(
        player.backend,
        played,
        batch_size=batch_size,
        every=every,
        wanted=set(LEAVE_OUT) - set(without or ()),
        server=server,
    )


def compare(
    backend: TransformersBackend,
    games: Sequence[GameRequests],
    *,
    batch_size: int | None,
    every: int,
    wanted: Set[str],
    server: str | None,
) -> None:
    """Time all ways and print a line for each."""
    model, tokenizer = backend.model, backend.renderer.tokenizer
    requests = [one for states in games for state in states for one in state]
    ours = TransformersBackend(model, tokenizer, "", batch_size)
    size = ours.batch_size
    print(f"{len(games)} games, {len(requests)} requests, {size} at a time", flush=True)
    done, base = _timed(lambda: streamed(ours, games, size))
    computed = sum(one.usage.prompt_tokens - one.usage.cached_tokens for one in done)
    written = sum(one.usage.completion_tokens for one in done)
    prompts = sum(one.usage.prompt_tokens for one in done)
    print(f"{prompts} prompt tokens, {computed} of them computed; {written} tokens written")
    ideal = (distinct_tokens(requests) + written) * seconds_per_token(model)
    texts = [one.text for one in done]
    print(f"{'way':24} {'cpu s':>8} {'wall s':>8} {'ratio':>7}")
    _line("slot cache", base, 1.0, f"{ideal / base[0]:.0%} of the ideal ({ideal:.1f} s)")
    if server:
        served, took = _timed(lambda: by_server(server, tokenizer, games, size))
        _line("the server", took, took[1] / base[1], f"of wall time; {_same(served, texts)}")
    if "continuous" in wanted:
        replies, took = _timed(lambda: continuous(backend, games, done, size))
        _line("continuous batching", took, took[0] / base[0], _same(replies, texts))
    if "batches" in wanted:
        plain = PaddedBatches(model, tokenizer, "", size)
        answers, took = _timed(lambda: in_step(plain, games))
        replies = [one.text for one in answers]
        _line("left-padded batches", took, took[0] / base[0], _same(replies, texts))
    if "generate" in wanted:
        sample = list(zip(requests, done, strict=True))[::every]
        replies, took = _timed(lambda: [generate(backend, *pair) for pair in sample])
        scaled = (took[0] * len(done) / len(sample), took[1] * len(done) / len(sample))
        remark = _same(replies, [one.text for _, one in sample])
        _line("a generate for each", scaled, scaled[0] / base[0], remark)
    if "bfloat16" in wanted:
        changed, total = flips(backend, requests, texts)
        print(
            f"in bfloat16, {changed} of the {total} tokens would be others ({changed / total:.2%})"
        )


def by_server(url: str, tokenizer: Any, games: Sequence[GameRequests], size: int) -> list[str]:
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
    """(reply tokens that bfloat16 would choose differently after the same tokens, reply tokens)."""
    model = copy.deepcopy(backend.model).to(torch.bfloat16)
    changed = total = 0
    for asked, text in zip(requests, texts, strict=True):
        start = context(asked)
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
    """What `play` returns, and the (processor, wall) seconds that it takes."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = play()
    return result, (time.process_time() - cpu, time.perf_counter() - wall)


def _line(name: str, took: tuple[float, float], ratio: float, remark: str) -> None:
    print(f"{name:24} {took[0]:8.1f} {took[1]:8.1f} {ratio:6.2f}×  {remark}", flush=True)


@torch.inference_mode()
def seconds_per_token(model: Any, passes: int = 5) -> float:
    """Processor seconds per token in a long forward pass, the least of a few passes."""
    ids = torch.arange(CHUNK)[None] % model.get_input_embeddings().num_embeddings
    times = []
    for _ in range(passes):
        before = time.process_time()
        model(input_ids=ids, use_cache=True, logits_to_keep=1)
        times.append(time.process_time() - before)
    return min(times) / CHUNK


if __name__ == "__main__":
    run(app)

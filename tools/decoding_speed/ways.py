"""Ways to answer requests: streamed to a backend, in padded batches, by transformers alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from transformers import GenerationConfig

from cotgap.agents.core import BackendError, Completion, Request, Streaming
from cotgap.agents.decoding.backend import TransformersBackend
from cotgap.agents.decoding.batched import BatchedDecoder
from cotgap.agents.decoding.loading import quiet
from cotgap.agents.decoding.replies import Decoder
from cotgap.agents.text import cut_at_stop
from cotgap.envs.core import CoTGapError
from tools.decoding_speed.games import Game, begun

Place = tuple[int, int, int]
"""Which game, which of its states, which request there."""
Answer = TypeVar("Answer")

PAGE, CHUNK = 32, 512  # tokens: of a page, and read at a time, in continuous batching


class Batches(TransformersBackend):
    """The same model without the slot cache."""

    def _make_decoder(self, memory: int) -> Decoder:
        return BatchedDecoder(lambda: self.model, self._rules, self.batch_size)


def paced(
    games: Sequence[Game],
    size: int,
    ask: Callable[[Place, Sequence[Request]], Sequence[Any]],
    ready: Callable[[], Sequence[tuple[Any, Answer]]],
) -> list[Answer]:
    """Each game at its own pace, `size` at a time, as the local engine plays them.

    `ask` takes the requests of a state (and where they begin) and returns a ticket for each;
    `ready` returns what has been answered, with its ticket.
    """
    waiting = [(number, 0) for number in range(len(games))][::-1]
    flying: dict[Any, Place] = {}
    open_: dict[int, int] = {}
    done: dict[Place, Answer] = {}
    while waiting or flying:
        while waiting and len(open_) < size:
            number, step = waiting.pop()
            tickets = ask((number, step, 0), games[number][step])
            open_[number] = len(tickets)
            flying |= {ticket: (number, step, i) for i, ticket in enumerate(tickets)}
        for ticket, answer in ready():
            number, step, _ = place = flying.pop(ticket)
            done[place] = answer
            open_[number] -= 1
            if not open_[number]:
                del open_[number]
                if step + 1 < len(games[number]):
                    waiting.append((number, step + 1))
    return [done[place] for place in sorted(done)]


def streamed(backend: Streaming, games: Sequence[Game], size: int) -> list[Completion]:
    """By a backend that takes requests while it works."""
    answers = paced(games, size, lambda _, requests: backend.submit(requests), backend.collect)
    completions = []
    for answer in answers:
        if isinstance(answer, BackendError):
            raise answer
        completions.append(answer)
    return completions


def in_step(backend: TransformersBackend, games: Sequence[Game]) -> list[Completion]:
    """`batch_size` games at a time, all of which take each step together."""
    done: dict[Place, Completion] = {}
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


# What follows is told how many tokens to write: finding the end of a reply costs it nothing.


def generate(backend: TransformersBackend, asked: Request, answer: Completion) -> str:
    """The reply by transformers' `generate`."""
    start = begun(asked)
    with quiet():
        out = backend.model.generate(
            input_ids=torch.tensor([start]),
            attention_mask=torch.ones(1, len(start), dtype=torch.long),
            max_new_tokens=answer.usage.completion_tokens,
            do_sample=False,
            pad_token_id=0,
        )
    return _text(backend, asked, answer, out[0, len(start) :].tolist())


def continuous(
    backend: TransformersBackend, games: Sequence[Game], answers: Sequence[Completion], size: int
) -> list[str]:
    """The replies by transformers' continuous batching, whose paged cache shares prefixes."""
    from transformers import ContinuousBatchingConfig

    places = [
        (g, s, i)
        for g, states in enumerate(games)
        for s, state in enumerate(states)
        for i in range(len(state))
    ]
    told = dict(zip(places, answers, strict=True))
    config = GenerationConfig(do_sample=False, eos_token_id=-1, pad_token_id=0)
    longest = max(len(begun(one)) for states in games for state in states for one in state)
    pages = 2 * size * (longest // PAGE + 2)
    settings = ContinuousBatchingConfig(
        page_size=PAGE,
        num_blocks=pages,
        max_batch_tokens=max(CHUNK, 2 * size),
        max_requests_per_batch=2 * size,
    )
    with (
        quiet(),
        backend.model.continuous_batching_context_manager(
            generation_config=config, continuous_batching_config=settings
        ) as manager,
    ):

        def ask(place: Place, requests: Sequence[Request]) -> list[str]:
            game, step, _ = place
            tickets = []
            for i, one in enumerate(requests):
                tickets.append(f"{game}|{step}|{i}")
                manager.add_request(
                    begun(one), tickets[-1], told[game, step, i].usage.completion_tokens
                )
            return tickets

        def ready() -> list[tuple[str, Any]]:
            while (result := manager.get_result(timeout=1)) is None:
                if not manager.is_running():
                    raise CoTGapError("continuous batching stopped; see the lines above")
            if result.error:
                raise CoTGapError(f"continuous batching failed: {result.error}")
            return [(result.request_id, result.generated_tokens)]

        ids = paced(games, size, ask, ready)
    requests = [one for states in games for state in states for one in state]
    return [_text(backend, *rest) for rest in zip(requests, answers, ids, strict=True)]


def _text(
    backend: TransformersBackend, asked: Request, answer: Completion, ids: Sequence[int]
) -> str:
    kept = ids[:-1] if answer.finish_reason == "eos" else ids
    return cut_at_stop(backend.renderer.decode(list(kept)), asked.stop)[0]

"""Ways to answer requests: by a streaming backend, in padded batches, by transformers alone."""

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
from tools.decoding_speed.games import GameRequests, context

RequestIndex = tuple[int, int, int]
"""The numbers of the game, of the state in it, and of the request at that state."""
Answer = TypeVar("Answer")

PAGE, CHUNK = 32, 512  # tokens: of a page, and read at a time, in continuous batching


class PaddedBatches(TransformersBackend):
    """The local backend without the slot cache."""

    def _make_decoder(self, memory: int) -> Decoder:
        return BatchedDecoder(lambda: self.model, self._rules, self.batch_size)


def paced(
    games: Sequence[GameRequests],
    size: int,
    ask: Callable[[RequestIndex, Sequence[Request]], Sequence[Any]],
    ready: Callable[[], Sequence[tuple[Any, Answer]]],
) -> list[Answer]:
    """The answers for games that go on independently, `size` at a time, as in the local engine.

    `ask` takes the index of a state's first request and its requests, and returns a ticket for
    each. `ready` returns the answers that are there, with their tickets.
    """
    waiting = [(number, 0) for number in range(len(games))][::-1]
    in_flight: dict[Any, RequestIndex] = {}
    unanswered: dict[int, int] = {}
    done: dict[RequestIndex, Answer] = {}
    while waiting or in_flight:
        while waiting and len(unanswered) < size:
            number, step = waiting.pop()
            tickets = ask((number, step, 0), games[number][step])
            unanswered[number] = len(tickets)
            in_flight |= {ticket: (number, step, i) for i, ticket in enumerate(tickets)}
        for ticket, answer in ready():
            number, step, _ = place = in_flight.pop(ticket)
            done[place] = answer
            unanswered[number] -= 1
            if not unanswered[number]:
                del unanswered[number]
                if step + 1 < len(games[number]):
                    waiting.append((number, step + 1))
    return [done[place] for place in sorted(done)]


def streamed(backend: Streaming, games: Sequence[GameRequests], size: int) -> list[Completion]:
    """The answers of a backend that takes requests while it works."""
    answers = paced(games, size, lambda _, requests: backend.submit(requests), backend.collect)
    completions = []
    for answer in answers:
        if isinstance(answer, BackendError):
            raise answer
        completions.append(answer)
    return completions


def in_step(backend: TransformersBackend, games: Sequence[GameRequests]) -> list[Completion]:
    """The answers for `batch_size` games at a time, which take each step together."""
    done: dict[RequestIndex, Completion] = {}
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


# The ways below are told how many tokens to write, so they need not look for the end of a reply.


def generate(backend: TransformersBackend, asked: Request, answer: Completion) -> str:
    """The reply of transformers' `generate`."""
    start = context(asked)
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
    backend: TransformersBackend,
    games: Sequence[GameRequests],
    answers: Sequence[Completion],
    size: int,
) -> list[str]:
    """The replies of transformers' continuous batching, whose paged cache shares prefixes."""
    from transformers import ContinuousBatchingConfig

    places = [
        (g, s, i)
        for g, states in enumerate(games)
        for s, state in enumerate(states)
        for i in range(len(state))
    ]
    told = dict(zip(places, answers, strict=True))
    config = GenerationConfig(do_sample=False, eos_token_id=-1, pad_token_id=0)
    longest = max(len(context(one)) for states in games for state in states for one in state)
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

        def ask(place: RequestIndex, requests: Sequence[Request]) -> list[str]:
            game, step, _ = place
            tickets = []
            for i, one in enumerate(requests):
                tickets.append(f"{game}|{step}|{i}")
                manager.add_request(
                    context(one), tickets[-1], told[game, step, i].usage.completion_tokens
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

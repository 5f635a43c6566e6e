"""Finding out what a server takes: a few requests of a token or two, once at start."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cotgap.agents.core import BackendError
from cotgap.agents.serving.answers import line, reply_of, usage_of
from cotgap.agents.serving.dialect import (
    CONTINUE,
    PLAIN_DECODING,
    ROUTES,
    STOP_KEYS,
    WHOLE_TEXT,
    Dialect,
    Prompts,
    Stops,
)
from cotgap.envs.core import CoTGapError

Ask = Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]
"""(path, body) → the answer, which holds a text; raises `BackendError`."""

SAMPLE = "You are in the kitchen 12. Your task: go to desk 1.\n<action>go to desk 1</action>\n"
MESSAGES = (
    {"role": "system", "content": "Count."},
    {"role": "user", "content": "Count from 1 to 20, separated by commas."},
)
BEGUN = {"role": "assistant", "content": "1, 2, 3,"}
LIMITS = ("max_tokens", "max_completion_tokens")
THINKING_TOKENS = 1024
STOP_TOKENS = 12  # how many are written to see what happens at a stop string
# OpenAI's own field of no effect, which makes `transformers serve` leave the repetition penalty of
# the checkpoint's generation_config.json out.
PLAIN_PENALTY = {"frequency_penalty": 0.0}


async def probe_completions(
    ask: Ask, model: str, ids: Sequence[int], text: str, ends: Sequence[int]
) -> Dialect:
    """How a server takes prompts that are rendered here.

    `ids` and `text` are the same prompt; `ends` are the tokens that end a turn. Raises
    `BackendError` where it takes neither, `CoTGapError` where its tokenizer is not ours.
    """
    extras = {**PLAIN_DECODING, **WHOLE_TEXT, "stop_token_ids": list(ends)}
    prompts: dict[Prompts, Any] = {"token ids": list(ids), "text": text}
    tried = (
        Dialect(kind, extras={**fields, **PLAIN_PENALTY})
        for kind, fields in itertools.product(prompts, (extras, {}))
    )
    dialect, answer = await _first_taken(ask, model, tried, prompts)
    if dialect.prompts == "token ids":  # ids are taken at their word: see that they mean the text
        answer = await ask(dialect.route, _small(dialect, model, text))
    counted = usage_of(answer, 0.0).prompt_tokens
    if counted and counted != len(ids):
        raise CoTGapError(
            f"the server counts {counted} tokens where the tokenizer of --tokenizer counts "
            f"{len(ids)}: give the folder of the model that is served"
        )
    return await _with_stops(ask, model, dialect, prompts[dialect.prompts])


async def probe_chat(ask: Ask, model: str) -> Dialect:
    """How a server takes conversations; raises `BackendError` where it takes none."""
    tried = itertools.chain(
        (
            Dialect("messages", limit=limit, extras={**fields, **penalty})
            for limit, fields, penalty in itertools.product(
                LIMITS, ({**PLAIN_DECODING, **WHOLE_TEXT}, {}), (PLAIN_PENALTY, {})
            )
        ),
        # Models that think before they reply refuse a limit which leaves no room for it, and some
        # take no temperature.
        (
            Dialect("messages", limit=limit, takes_temperature=takes, fewest_tokens=THINKING_TOKENS)
            for takes, limit in itertools.product((True, False), LIMITS)
        ),
    )
    dialect, _ = await _first_taken(ask, model, tried, {"messages": list(MESSAGES)})
    dialect = replace(dialect, prefills=await _continues(ask, model, dialect))
    return await _with_stops(ask, model, dialect, list(MESSAGES))


async def _first_taken(
    ask: Ask, model: str, tried: Iterator[Dialect], prompts: Mapping[Prompts, Any]
) -> tuple[Dialect, dict[str, Any]]:
    """The first of these ways that the server takes, and its answer."""
    refused = BackendError("nothing was tried")
    for dialect in tried:
        try:
            answer = await ask(dialect.route, _small(dialect, model, prompts[dialect.prompts]))
        except BackendError as error:
            refused = error
            continue
        counted = usage_of(answer, 0.0).prompt_tokens
        if dialect.prompts == "token ids" and counted not in (0, len(prompts["token ids"])):
            refused = BackendError(f"it takes token ids for something else ({counted} tokens)")
            continue
        said, fingerprint = answer.get("model"), answer.get("system_fingerprint")
        if said is not None and not _same_model(model, str(said)):
            raise CoTGapError(
                f"model {model!r} was asked for, and {line(said)!r} answers. To have that one, "
                f"give openai:URL#{line(said)}"
            )
        name = None if said is None else line(said)
        return replace(dialect, answers_as=name, system_fingerprint=fingerprint), answer
    raise refused


async def _continues(ask: Ask, model: str, dialect: Dialect) -> bool:
    """Whether the server goes on with a reply that we began.

    A begun reply is followed by nothing, a finished one by the end of its turn and the beginning
    of the next: a server that knows the difference counts fewer tokens for the former.
    """
    counts = []
    finished = {name: not value for name, value in CONTINUE.items()}
    for fields in (CONTINUE, finished):
        body = {**_small(dialect, model, [*MESSAGES, BEGUN]), **fields}
        try:
            counts.append(usage_of(await ask(dialect.route, body), 0.0).prompt_tokens)
        except BackendError:
            return False
    return 0 < counts[0] < counts[1]


async def _with_stops(ask: Ask, model: str, dialect: Dialect, prompt: Any) -> Dialect:
    """The dialect with what the server does at a stop string."""
    tokens = max(STOP_TOKENS, dialect.fewest_tokens)
    body = {**_small(dialect, model, prompt), dialect.limit: tokens}
    text, free = reply_of(await ask(dialect.route, body))
    text = text.strip()
    stop = text[len(text) // 2 :][:1]
    stops: Stops = "not sent"
    if any(key in free for key in STOP_KEYS):
        stops = "told"
    elif stop:
        try:
            answer = await ask(dialect.route, {**body, "stop": [stop]})
        except BackendError:
            return dialect
        if stop in reply_of(answer)[0]:
            stops = "included"
    return replace(dialect, stops=stops)


def _small(dialect: Dialect, model: str, prompt: Any) -> dict[str, Any]:
    """A request for one token of greedy decoding."""
    name = "messages" if ROUTES[dialect.prompts] == ROUTES["messages"] else "prompt"
    small: dict[str, Any] = {"model": model, name: prompt, dialect.limit: dialect.fewest_tokens}
    if dialect.takes_temperature:
        small["temperature"] = 0.0
    return {**small, **dialect.extras}


def _same_model(asked: str, said: str) -> bool:
    """Whether a server's name of what answered is one of what was asked for.

    Servers add a revision or a date to it, or leave the organisation out.
    """
    asked, said = asked.rstrip("/").lower(), said.rstrip("/").lower()
    short = asked.rpartition("/")[2]
    return said.startswith(asked) or said.rpartition("/")[2].startswith(short)

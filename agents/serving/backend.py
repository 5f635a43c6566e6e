"""Any OpenAI-compatible server: vLLM, SGLang, `transformers serve`, hosted APIs.

With a tokenizer, prompts are rendered here and sent to `/completions` as token ids (or as text
where the server takes no ids), so that a prefill is a prefill. Without one, conversations go to
`/chat/completions`: with the beginning of the reply where the server goes on with it, else under a
protocol that asks for the mode instead (`+asked`).
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import queue
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

from cotgap.agents.core import BackendError, Completion, Request, Usage
from cotgap.agents.decoding.tokenizers import open_tokenizer
from cotgap.agents.prompts import leave_out, leave_out_more
from cotgap.agents.rendering import Renderer
from cotgap.agents.serving.answers import line, reply_of
from cotgap.agents.serving.dialect import Dialect
from cotgap.agents.serving.endpoints import Endpoint
from cotgap.agents.serving.http import (
    Connection,
    PassingError,
    RefusedError,
    is_loopback,
    proxy_variables,
)
from cotgap.agents.serving.probe import SAMPLE, probe_chat, probe_completions
from cotgap.envs.core import CoTGapError

KEY_VARIABLE = "OPENAI_API_KEY"
CONCURRENCY = 32
START = "vllm serve DIR --port 8000"
FORM = "openai:http://HOST:PORT/v1#MODEL"
# How servers say that a prompt and its reply do not fit the model's context.
FULL = re.compile(
    r"context.?(length|window|size|limit)|maximum context|max_model_len|too many tokens"
    r"|(prompt|input|message)s? (is|are) too long|exceeds? [^.]{0,60}(context|tokens)",
    re.IGNORECASE,
)
PROBE_TRIES = 2  # what is only tried out may fail for good


class OpenAIBackend:
    """A model behind one or more servers, as `dialect` says they are spoken to.

    `batch_size` is as many episodes as there are requests at a time: a server that has room for
    more batches them by itself.
    """

    name = "openai"
    reads_environment = False

    def __init__(
        self,
        connection: Connection,
        dialect: Dialect,
        identity: Mapping[str, Any],
        renderer: Renderer | None = None,
        *,
        concurrency: int = CONCURRENCY,
    ) -> None:
        self.dialect = dialect
        self.renderer = renderer
        self.batch_size = self._concurrency = concurrency
        self._connection = connection
        self._identity = dict(identity)
        content = json.dumps(self.describe(), sort_keys=True)
        self.fingerprint = hashlib.sha256(content.encode()).hexdigest()
        self._bos = None if renderer is None else _added_beginning(renderer)
        self._flying: dict[int, Future[None]] = {}
        self._answers: queue.SimpleQueue[tuple[int, Completion | Exception]] = queue.SimpleQueue()
        self._next_ticket = 0
        self._left_out: dict[str, int] = {}  # conversation → its oldest steps that do not fit

    @classmethod
    def open(
        cls,
        address: str,
        *,
        tokenizer: Path | None = None,
        concurrency: int | None = None,
        **patience: float,
    ) -> OpenAIBackend:
        """Find out what the servers at `URL[,URL...][#MODEL]` take, and speak to them so.

        `tokenizer` is a folder with the model's tokenizer and template, `concurrency` how many
        requests are in flight at a time; `patience` goes to `Connection`. The key is read from
        the environment (`OPENAI_API_KEY`). Raises `CoTGapError` for an address that is none, a
        server that does not answer, a model that it does not serve, a tokenizer that is not the
        model's, and servers that differ.
        """
        urls, model = parse_address(address)
        concurrency = concurrency or CONCURRENCY
        connection = Connection(urls, key=read_key(), concurrency=concurrency, **patience)
        try:
            found = [
                connection.start(_find_out(connection, endpoint, model, tokenizer)).result()
                for endpoint in connection.endpoints.all
            ]
            for url, other in zip(urls, found, strict=True):
                if other[:2] != found[0][:2]:
                    raise CoTGapError(
                        f"{urls[0]} and {url} are not alike: {found[0][:2]} and {other[:2]}. "
                        "Several endpoints must serve one model in one way"
                    )
        except BaseException:
            connection.close()
            raise
        dialect, identity, renderer = found[0]
        return cls(connection, dialect, identity, renderer, concurrency=concurrency)

    @property
    def model(self) -> str:
        """The model's id, as the server calls it."""
        return str(self._identity["model"])

    def describe(self) -> dict[str, Any]:
        """What is known of the model, and how the servers are spoken to."""
        return {
            **self._identity,
            # A server's word is all there is: the same id may stand for other weights tomorrow.
            "weights": "not verified",
            "dtype": "unknown",
            "prompts": self.dialect.prompts,
            "prefills": self.dialect.prefills,
            "stops": self.dialect.stops,
            "takes_temperature": self.dialect.takes_temperature,
            "extra_fields": sorted(self.dialect.extras),
            "context": self.renderer and self.renderer.context,
        }

    def circumstances(self) -> dict[str, str]:
        """See `cotgap.agents.core.Circumstances`."""
        return {
            "endpoints": str(len(self._connection.endpoints.all)),
            "concurrency": str(self._concurrency),
            "system_fingerprint": str(self.dialect.system_fingerprint),
        }

    def close(self) -> None:
        """Drop what is in flight and hang up."""
        self.forget()
        self._connection.close()

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer all requests; raises `BackendError` if one stays without an answer."""
        futures = [self._connection.start(self._complete(request)) for request in requests]
        try:
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()

    def submit(self, requests: Sequence[Request]) -> list[int]:
        """See `cotgap.agents.core.Streaming`."""
        tickets = list(range(self._next_ticket, self._next_ticket + len(requests)))
        self._next_ticket += len(requests)
        for ticket, request in zip(tickets, requests, strict=True):
            self._flying[ticket] = self._connection.start(self._answer(ticket, request))
        return tickets

    def collect(self) -> list[tuple[int, Completion | BackendError]]:
        """See `cotgap.agents.core.Streaming`."""
        ready: list[tuple[int, Completion | BackendError]] = []
        while self._flying and not (ready and self._answers.empty()):
            ticket, answer = self._answers.get()
            if self._flying.pop(ticket, None) is None:
                continue  # forgotten
            if isinstance(answer, Exception) and not isinstance(answer, BackendError):
                self.forget()
                raise answer
            ready.append((ticket, answer))
        return ready

    def forget(self) -> None:
        """See `cotgap.agents.core.Streaming`."""
        for future in self._flying.values():
            future.cancel()
        self._flying.clear()

    async def _answer(self, ticket: int, request: Request) -> None:
        try:
            self._answers.put((ticket, await self._complete(request)))
        except Exception as error:  # whatever it is, `collect` waits for it
            self._answers.put((ticket, error))

    async def _complete(self, request: Request) -> Completion:
        """A reply; where the server's context is full, to a prompt without the oldest steps.

        If nothing is left to drop, the reply is empty and cut by length, as a local model's is.
        """
        shown = leave_out(request, self._left_out.get(request.cache_key, 0))
        while True:
            answer = await self._once(shown)
            if answer is None and self.renderer is None and shown.dropped_steps < request.step:
                shown = leave_out_more(request, shown)
                self._left_out[request.cache_key] = shown.dropped_steps
                continue
            answer = answer or Completion("", "length")
            return replace(answer, usage=replace(answer.usage, dropped_steps=shown.dropped_steps))

    async def _once(self, request: Request) -> Completion | None:
        """The server's reply, or None where it says that its context is full."""
        if request.prefill and not self.dialect.prefills:
            raise BackendError("this server cannot prefill: use a protocol with +asked")
        limit, prompt, length = request.max_new_tokens, None, 0
        if self.renderer is not None:
            ids = [*_rendered(request), *request.prefill_ids]
            limit, length = min(limit, self.renderer.context - len(ids)), len(ids)
            prompt = ids if self.dialect.prompts == "token ids" else self._text(ids)
            if limit <= 0:
                return Completion("", "length", Usage(prompt_tokens=length))
        try:
            return await self._connection.post(
                self.dialect.route,
                self.dialect.body(self.model, request, prompt, limit),
                functools.partial(self.dialect.read, request),
                conversation=request.cache_key,
            )
        except RefusedError as error:
            if not FULL.search(str(error)):
                raise
            return None

    def _text(self, ids: Sequence[int]) -> str:
        """A prompt as text, without the token that the server's tokenizer puts in front."""
        assert self.renderer is not None
        text = self.renderer.decode(ids)
        return text.removeprefix(self._bos) if self._bos else text


def parse_address(address: str) -> tuple[list[str], str]:
    """(base URLs, model or "") of `URL[,URL...][#MODEL]`; raises `CoTGapError` for anything else.

    Addresses appear in messages, so that one with a password is refused without being repeated.
    """
    places, _, model = address.partition("#")
    urls = []
    for place in places.split(","):
        try:
            parts = urllib.parse.urlsplit(place.strip())
            _ = parts.port
        except ValueError:  # brackets that do not close, a port that is no number
            raise CoTGapError(f"{place!r} is no server's address: expected {FORM}") from None
        if "@" in parts.netloc or parts.query:
            raise CoTGapError(
                "an openai: address holds no user, password or query. Give the server's key in "
                f"the environment variable {KEY_VARIABLE}"
            )
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise CoTGapError(f"{place!r} is no server's address: expected {FORM}")
        path = parts.path.rstrip("/") or "/v1"
        urls.append(f"{parts.scheme}://{parts.netloc}{path}")
    return urls, model


def read_key() -> str | None:
    """The key in the environment; raises `CoTGapError`, without repeating it, if it cannot be."""
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not all("!" <= character <= "~" for character in key):
        raise CoTGapError(f"{KEY_VARIABLE} is no key: it holds white space or foreign characters")
    return key or None


Found = tuple[Dialect, dict[str, Any], Renderer | None]


async def _find_out(
    connection: Connection, endpoint: Endpoint, model: str, tokenizer: Path | None
) -> Found:
    """How a server is spoken to, what is known of its model, and what renders its prompts."""
    served = await _served(connection, endpoint.url)
    if not model:
        if len(served) != 1:
            raise CoTGapError(
                f"which model? {endpoint.url} lists {_names(served)}. Give openai:URL#MODEL"
            )
        (model,) = served

    async def ask(path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        def read(answer: dict[str, Any], seconds: float) -> dict[str, Any]:
            reply_of(answer)
            return answer

        return await connection.post(path, body, read, endpoint=endpoint, tries=PROBE_TRIES)

    identity = {"model": model, "server_version": await _version(connection, endpoint.url)}
    renderer = None
    try:
        if tokenizer is None:
            dialect = await probe_chat(ask, model)
        else:
            context = served.get(model, {}).get("max_model_len")
            renderer, identity["tokenizer"] = open_tokenizer(tokenizer, context)
            ids = renderer.tokenizer(SAMPLE)["input_ids"]
            dialect = await probe_completions(ask, model, ids, SAMPLE, _ends(renderer))
    except BackendError as error:
        if served and model not in served:
            raise CoTGapError(
                f"{endpoint.url} serves no model {model!r}; it lists {_names(served)}"
            ) from error
        if isinstance(error, RefusedError) and error.status in (401, 403):
            raise _no_key(endpoint.url, error) from error
        hint = "" if tokenizer else ". With --tokenizer DIR prompts are rendered here instead"
        raise CoTGapError(f"{endpoint.url} does not answer for {model!r}: {error}{hint}") from error
    return dialect, identity, renderer


async def _served(connection: Connection, url: str) -> dict[str, Mapping[str, Any]]:
    """The models that a server lists, by id; empty where it lists none.

    Raises `CoTGapError` where nothing answers, or not to our key.
    """
    try:
        listed = (await connection.get(f"{url}/models"))["data"]
        return {line(entry["id"]): entry for entry in listed}
    except RefusedError as error:
        if error.status in (401, 403):
            raise _no_key(url, error) from error
        return {}
    except PassingError as error:
        if error.answered:
            return {}
        raise CoTGapError(
            f"no server answers at {url} ({error}{_by_proxy(url)}). Start one, such as: {START}. "
            f"Or mend the address: --agent {FORM}"
        ) from error
    except (LookupError, TypeError):  # not a list of models
        return {}


async def _version(connection: Connection, url: str) -> str | None:
    """The server's own version, where it tells (vLLM does)."""
    try:
        told = await connection.get(f"{url.removesuffix('/v1')}/version")
        return line(told["version"])
    except (BackendError, PassingError, LookupError):
        return None


def _no_key(url: str, error: Exception) -> CoTGapError:
    return CoTGapError(
        f"{url} does not let us in ({error}). Give a valid key in the environment variable "
        f"{KEY_VARIABLE}"
    )


def _by_proxy(url: str) -> str:
    """Which variables decide how a server is reached, where they do."""
    names = "" if is_loopback(url) else proxy_variables()
    return f"; asked through the proxy of {names}" if names else ""


def _names(served: Mapping[str, Any]) -> str:
    return ", ".join(map(repr, served)) or "none"


def _ends(renderer: Renderer) -> list[int]:
    """The tokens that end a turn."""
    return sorted({renderer.tokenizer.eos_token_id, renderer.turn_end} - {None})


def _added_beginning(renderer: Renderer) -> str | None:
    """The text of the token that a tokenizer puts before any text, where templates have it too."""
    tokenizer = renderer.tokenizer
    begins = tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]
    return tokenizer.bos_token if begins else None


def _rendered(request: Request) -> tuple[int, ...]:
    if request.token_ids is None:
        raise BackendError("the request was not rendered: make it with this backend's dialogue")
    return request.token_ids

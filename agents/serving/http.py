"""Requests to servers: many at a time, sent again where a failure may pass.

Everything runs on an event loop in a thread of its own, so that leaving a run drops what is in
flight at once (which makes a server stop decoding it).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import ipaddress
import json
import os
import threading
import urllib.parse
from collections.abc import Callable, Coroutine, Mapping, Sequence
from time import perf_counter
from typing import Any, TypeVar

import httpx

from cotgap.agents.core import BackendError
from cotgap.agents.serving.answers import (
    MOST_BYTES,
    NotAReplyError,
    line,
    parse,
    said,
    without,
)
from cotgap.agents.serving.endpoints import (
    FIRST_PAUSE,
    MOST_PATIENCE,
    Endpoint,
    Endpoints,
    pause,
    retry_after,
)
from cotgap.envs.core import CoTGapError

TRIES = 8  # of a request, a minute with all the pauses in between
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 600.0  # for a whole reply, with all the others that the server writes meanwhile
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504, 529})  # what may go away by itself
PIECE = 1 << 16
MOST_SAID = 1 << 16  # bytes of a failure that are read for its reason
PROXIES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY")

T = TypeVar("T")


class RefusedError(BackendError):
    """A server that understood a request and will not answer it. `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class PassingError(Exception):
    """A failure that may pass.

    `answered`: whether there is a server at all. `wait` (seconds) is what it asked for.
    """

    def __init__(self, message: str, *, answered: bool = True, wait: float = 0.0) -> None:
        super().__init__(message)
        self.answered, self.wait = answered, wait


class Connection:
    """Servers of one model at `urls`, asked by at most `concurrency` requests at a time.

    `key` goes to the servers as a bearer token and nowhere else: where a server repeats it, it is
    taken out of the message. `first_pause` and `answer_seconds` are for servers that are known to
    be quick.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        key: str | None = None,
        concurrency: int,
        first_pause: float = FIRST_PAUSE,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self.endpoints = Endpoints(urls)
        self._key = key
        self._first_pause = first_pause
        self._client = _client(
            urls,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(answer_seconds, connect=min(CONNECT_SECONDS, answer_seconds)),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=concurrency),
        )
        self._answer_seconds = answer_seconds
        self._slots = asyncio.Semaphore(concurrency)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def start(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Run a coroutine on the connection's loop; cancelling its future drops it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def close(self) -> None:
        """Drop what is in flight and hang up."""
        if self._loop.is_closed():
            return
        self.start(self._hang_up()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def get(self, url: str) -> dict[str, Any]:
        """The JSON object at a URL, asked for once.

        Raises `RefusedError` for a status of HTTP's that is no success, `PassingError` for any
        other failure.
        """
        return await self._whole("GET", url, CONNECT_SECONDS)

    async def post(
        self,
        path: str,
        body: Mapping[str, Any],
        read: Callable[[dict[str, Any], float], T],
        *,
        conversation: str = "",
        endpoint: Endpoint | None = None,
        tries: int = TRIES,
    ) -> T:
        """What `read` makes of the answer and the seconds that it took.

        It comes from the server that suits best, or from `endpoint`.

        Sent again, after a pause, where the server is overloaded or fails, the connection breaks,
        or the answer is no JSON or not what `read` expects (`KeyError`, `ValueError` and so on).
        Raises `RefusedError` at once where the request itself is at fault, and `BackendError`
        after `tries` failures.
        """
        async with self._slots:
            for failures in range(1, tries + 1):
                chosen, rest = (endpoint, 0.0) if endpoint else self.endpoints.choose(conversation)
                await asyncio.sleep(rest)
                try:
                    return await self._once(chosen, path, body, read)
                except PassingError as error:
                    trouble = f"{chosen.url}: {error}"
                    wait = max(pause(failures, self._first_pause), error.wait)
                if wait > MOST_PATIENCE:
                    raise BackendError(f"{trouble}; it asks to come back in {wait:.0f} s")
                self.endpoints.leave_alone(chosen, wait)
                if endpoint is not None and failures < tries:
                    await asyncio.sleep(wait)
        raise BackendError(f"{trouble} (tried {tries} times)")

    async def _once(
        self,
        endpoint: Endpoint,
        path: str,
        body: Mapping[str, Any],
        read: Callable[[dict[str, Any], float], T],
    ) -> T:
        endpoint.in_flight += 1
        begun = perf_counter()
        try:
            # In ASCII: half of a surrogate pair, which no UTF-8 holds, is an escape like any other.
            content = json.dumps(body).encode()
            answer = await self._whole("POST", endpoint.url + path, self._answer_seconds, content)
            return read(answer, perf_counter() - begun)
        except NotAReplyError as error:
            raise PassingError(str(error)) from error
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise PassingError(
                f"the answer is not what was asked for ({type(error).__name__}: {line(error)})"
            ) from error
        finally:
            endpoint.in_flight -= 1

    async def _whole(
        self, method: str, url: str, seconds: float, content: bytes | None = None
    ) -> dict[str, Any]:
        """An answer's JSON object, within the time and the size that there is for it."""
        try:
            # httpx bounds the time between two pieces of an answer, not that of all of them.
            response, body = await asyncio.wait_for(
                self._exchanged(method, url, seconds, content), self._answer_seconds
            )
        except (asyncio.TimeoutError, httpx.TimeoutException) as error:
            raise PassingError("no answer in time", answered=False) from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            reason = without(line(error) or type(error).__name__, self._key or "")
            raise PassingError(reason, answered=False) from error
        if response.status_code in PASSING:
            wait = retry_after(response.headers.get("retry-after"))
            raise PassingError(self._said(response, body), wait=wait or 0.0)
        if not response.is_success:
            raise RefusedError(response.status_code, self._said(response, body))
        try:
            return parse(body, self._key)
        except NotAReplyError as error:
            raise PassingError(str(error)) from None

    async def _exchanged(
        self, method: str, url: str, seconds: float, content: bytes | None
    ) -> tuple[httpx.Response, bytes]:
        """The response and its body, unpacked; raises `PassingError` once that is too large."""
        headers = {} if content is None else {"Content-Type": "application/json"}
        sent = self._client.stream(method, url, content=content, headers=headers, timeout=seconds)
        async with sent as response:
            body = bytearray()
            async for piece in response.aiter_bytes(PIECE):
                body += piece
                if len(body) > MOST_BYTES:
                    raise PassingError(f"the answer is larger than {MOST_BYTES >> 20} MiB")
            return response, bytes(body)

    def _said(self, response: httpx.Response, body: bytes) -> str:
        """What a server said when it did not answer, in one line and without our key."""
        text = body[:MOST_SAID].decode("utf-8", "replace")
        with contextlib.suppress(ValueError, RecursionError):
            text = said(json.loads(text))
        status = f"HTTP {response.status_code} {line(response.reason_phrase)}".strip()
        text = f"{status}: {line(text)}" if text.strip() else status
        return text.replace(self._key, "***") if self._key else text

    async def _hang_up(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._client.aclose()


def _client(urls: Sequence[str], **options: Any) -> httpx.AsyncClient:
    """A client for these servers: this machine is asked directly, others by the user's proxies.

    Raises `CoTGapError`, which names the variable, where a proxy cannot be used.
    """
    if all(map(is_loopback, urls)):
        return httpx.AsyncClient(trust_env=False, **options)
    here = {f"all://{_host(url)}": None for url in urls if is_loopback(url)}
    try:
        return httpx.AsyncClient(mounts=here, **options)
    except (ImportError, ValueError, OSError, httpx.InvalidURL) as error:
        raise CoTGapError(
            f"the proxy settings in {proxy_variables() or 'the environment'} cannot be used "
            f"({type(error).__name__}). Give an http:// or https:// proxy there, or unset them, or "
            "name the server in NO_PROXY"
        ) from error


def proxy_variables() -> str:
    """The variables that name a proxy now, for messages; empty if there are none."""
    names = [name for name in (*PROXIES, *map(str.lower, PROXIES)) if os.environ.get(name)]
    return ", ".join(names)


def is_loopback(url: str) -> bool:
    """Whether an address is of this machine."""
    host = _host(url).strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _host(url: str) -> str:
    host = urllib.parse.urlsplit(url).hostname or ""
    return f"[{host}]" if ":" in host else host

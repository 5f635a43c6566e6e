"""Requests to servers: many at a time, sent again where a failure may pass.

Everything runs on an event loop in a thread of its own, so that leaving a run drops what is in
flight at once (which makes a server stop decoding it).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from time import perf_counter
from typing import Any, TypeVar

import httpx

from cotgap.agents.core import BackendError
from cotgap.agents.serving.endpoints import (
    FIRST_PAUSE,
    MOST_PATIENCE,
    Endpoint,
    Endpoints,
    pause,
    retry_after,
)

TRIES = 8  # of a request, a minute with all the pauses in between
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 600.0  # for a whole reply, with all the others that the server writes meanwhile
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504, 529})  # what may go away by itself
MESSAGE_LENGTH = 300

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
        self._client = httpx.AsyncClient(
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
        return await self._whole(lambda: self._client.get(url, timeout=CONNECT_SECONDS))

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
            answer = await self._whole(lambda: self._client.post(endpoint.url + path, json=body))
            return read(answer, perf_counter() - begun)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise PassingError(
                f"the answer is not what was asked for ({type(error).__name__}: {error})"
            ) from error
        finally:
            endpoint.in_flight -= 1

    async def _whole(
        self, send: Callable[[], Coroutine[Any, Any, httpx.Response]]
    ) -> dict[str, Any]:
        """An answer's JSON object, within the time there is for it."""
        try:
            # httpx bounds the time between two pieces of an answer, not that of all of them.
            response = await asyncio.wait_for(send(), self._answer_seconds)
        except (asyncio.TimeoutError, httpx.TimeoutException) as error:
            raise PassingError("no answer in time", answered=False) from error
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise PassingError(str(error) or type(error).__name__, answered=False) from error
        if response.status_code in PASSING:
            wait = retry_after(response.headers.get("retry-after"))
            raise PassingError(self._said(response), wait=wait or 0.0)
        if not response.is_success:
            raise RefusedError(response.status_code, self._said(response))
        try:
            content = response.json()
        except ValueError as error:
            raise PassingError("the answer is broken JSON") from error
        if not isinstance(content, dict):
            raise PassingError("the answer is no JSON object")
        return content

    def _said(self, response: httpx.Response) -> str:
        """What a server said when it did not answer, in one line and without our key."""
        text = " ".join(_message(response.text).split())
        if self._key:
            text = text.replace(self._key, "***")
        status = f"HTTP {response.status_code} {response.reason_phrase}".strip()
        return f"{status}: {text[:MESSAGE_LENGTH].rstrip('.')}" if text else status

    async def _hang_up(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._client.aclose()


def _message(text: str) -> str:
    """The message within an error's JSON, as OpenAI, FastAPI and others write it; else all."""
    try:
        content = json.loads(text)
    except ValueError:
        return text
    while isinstance(content, dict):
        found = [content[name] for name in ("error", "message", "detail") if content.get(name)]
        if not found:
            break
        content = found[0]
    return content if isinstance(content, str) else json.dumps(content)

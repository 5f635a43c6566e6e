"""A proxy that fails on purpose, in front of a real server: standard library only.

Each request to a model takes the next fault of `plan`, over and over; the rest (`GET`) passes.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import itertools
import json
import os
import socket
import struct
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Fault = Literal[
    "pass",  # the server's answer, as it is
    "slow",  # the same, later than the client has patience for
    "reset",  # the connection is reset before any answer
    "truncated",  # half of the announced body, then the end
    "trickle",  # the answer, a byte now and then: no single read is late
    "429",  # too many requests; come back at once
    "429 later",  # too many requests; come back after `RETRY_AFTER`
    "429 never",  # too many requests; come back tomorrow
    "500",
    "503",
    "400",
    "broken",  # 200 with half of a JSON text
    "foreign",  # 200 with JSON of another shape
    "list",  # 200 with JSON that is no object
    "html",  # 200 with the page of a gateway
    "leak",  # 401 that repeats the key
    "changed",  # the server's answer, as `Proxy.change` changes it
    "endless",  # 200 with a body that does not end
    "bomb",  # 200 with a small body that unpacks to a large one
    "charset",  # the server's answer, in what is no encoding of text
    "hosted",  # 400 for whatever OpenAI's models that think refuse
    "full",  # 400: the model's context is full, for prompts beyond `Proxy.room` characters
]
RETRY_AFTER = 0.3
SLOW = 4.0  # seconds


@dataclass
class Proxy:
    """What a running proxy saw. `plan` may be replaced while it runs."""

    url: str
    plan: Iterator[Fault]
    requests: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    most_in_flight: int = 0
    bodies: list[dict[str, object]] = field(default_factory=list)
    change: Callable[[Any], Any] = lambda answer: answer
    room: int = 0
    times: list[float] = field(default_factory=list)
    """When each request came (monotonic)."""
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextlib.contextmanager
def proxy(target: str, plan: Iterable[Fault] = ("pass",)) -> Iterator[Proxy]:
    """A proxy of the server at `target` (a base URL with `/v1`) on a free port of loopback."""
    place = urllib.parse.urlsplit(target)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    seen = Proxy(f"http://127.0.0.1:{server.server_port}/v1", itertools.cycle(plan))
    server.seen, server.place = seen, place  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(*self._ask("GET", None))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        seen: Proxy = self.server.seen  # type: ignore[attr-defined]
        with seen.lock:
            fault = next(seen.plan)
            seen.requests += 1
            seen.faults[fault] += 1
            seen.in_flight += 1
            seen.most_in_flight = max(seen.most_in_flight, seen.in_flight)
            seen.bodies.append(json.loads(body))
            seen.times.append(time.monotonic())
        try:
            self._fail(fault, body)
        except (BrokenPipeError, ConnectionResetError):  # the client gave up, as it should
            self.close_connection = True
        finally:
            with seen.lock:
                seen.in_flight -= 1

    def _fail(self, fault: Fault, body: bytes) -> None:
        if fault.isdigit():
            self._answer(int(fault), b'{"error": {"message": "as planned"}}')
        elif fault == "429 later":
            self._answer(429, b'{"error": "busy"}', {"Retry-After": str(RETRY_AFTER)})
        elif fault == "429 never":
            self._answer(429, b'{"error": "quota"}', {"Retry-After": "86400"})
        elif fault == "reset":
            # Closing without lingering is a reset.
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            os.close(self.connection.detach())
            self.close_connection = True
        elif fault == "broken":
            self._answer(200, b'{"choices": [{"te')
        elif fault == "foreign":
            self._answer(200, b'{"object": "something else"}')
        elif fault == "list":
            self._answer(200, b"[]")
        elif fault == "html":
            self._answer(200, b"<html>Bad gateway</html>")
        elif fault == "bomb":
            packed = gzip.compress(b" " * (256 << 20))
            self._answer(200, packed, {"Content-Encoding": "gzip"})
        elif fault == "endless":
            self._head(200, None, {"Transfer-Encoding": "chunked"})
            while True:
                self.wfile.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
        elif fault == "hosted":
            asked = json.loads(body)
            limit = asked.pop("max_completion_tokens", 0)
            if odd := asked.keys() - {"model", "messages"}:
                text = f"Unsupported parameter: {min(odd)}"
                self._answer(400, json.dumps({"error": {"message": text}}).encode())
            elif limit < 64:
                text = "Could not finish the message because the output limit was reached."
                self._answer(400, json.dumps({"error": {"message": text}}).encode())
            else:
                written = json.dumps({**asked, "max_tokens": 8}).encode()
                self._pass_on("changed", *self._ask("POST", written))
        elif fault == "full":
            asked = json.loads(body)
            written = sum(len(message["content"]) for message in asked.get("messages", ()))
            if written > self.server.seen.room:  # type: ignore[attr-defined]
                text = "This model's maximum context length is 10 tokens. Reduce the length."
                self._answer(400, json.dumps({"error": {"message": text}}).encode())
            else:
                self._pass_on("changed", *self._ask("POST", body))
        elif fault == "leak":
            text = f"wrong key: {self.headers['Authorization']}"
            self._answer(401, json.dumps({"error": {"message": text}}).encode())
        else:
            self._pass_on(fault, *self._ask("POST", body))

    def _pass_on(self, fault: Fault, status: int, answer: bytes) -> None:
        if fault == "slow":
            time.sleep(SLOW)
        if fault == "changed":
            changed = self.server.seen.change(json.loads(answer))  # type: ignore[attr-defined]
            answer = changed if isinstance(changed, bytes) else json.dumps(changed).encode()
        if fault == "charset":
            self._answer(status, answer, {"Content-Type": "application/json; charset=hex"})
            return
        if fault in ("pass", "slow", "changed"):
            self._answer(status, answer)
            return
        self._head(status, len(answer), {})
        if fault == "truncated":
            self.wfile.write(answer[: len(answer) // 2])
            self.close_connection = True
        else:
            for byte in answer:
                self.wfile.write(bytes([byte]))
                time.sleep(SLOW / 50)

    def _ask(self, method: str, body: bytes | None) -> tuple[int, bytes]:
        place = self.server.place  # type: ignore[attr-defined]
        asked = http.client.HTTPConnection(place.hostname, place.port, timeout=120)
        try:
            asked.request(method, self.path, body, {"Content-Type": "application/json"})
            answer = asked.getresponse()
            return answer.status, answer.read()
        finally:
            asked.close()

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self._head(status, len(body), headers or {})
        self.wfile.write(body)

    def _head(self, status: int, length: int | None, headers: dict[str, str]) -> None:
        self.send_response(status)
        sized = {} if length is None else {"Content-Length": str(length)}
        for name, value in {**sized, **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

"""Which of several servers a request goes to, and how long a failing one is left alone."""

from __future__ import annotations

import email.utils
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

# How many more requests than the least loaded the server that holds a conversation's prefix may
# have: reading a prompt again costs more than waiting behind a few others.
SLACK = 2
FIRST_PAUSE = 0.5  # seconds after a first failure; doubles with each further one
LONGEST_PAUSE = 30.0
MOST_PATIENCE = 120.0  # a server that asks to be left alone for longer (seconds) is given up


@dataclass(eq=False)
class Endpoint:
    """A server's base URL (with `/v1`), its requests in flight, and until when it is left alone."""

    url: str
    in_flight: int = 0
    rests_until: float = 0.0


class Endpoints:
    """Servers of the same model."""

    def __init__(self, urls: Sequence[str]) -> None:
        self.all = [Endpoint(url) for url in urls]
        self._homes: dict[str, Endpoint] = {}

    def choose(self, conversation: str) -> tuple[Endpoint, float]:
        """The server for a request of that conversation, and the seconds to wait before.

        It is the least loaded of those that are not left alone, or the one that was asked last in
        this conversation where that is hardly busier. Where all are left alone, it is the one that
        can be asked first.
        """
        now = time.monotonic()

        def burden(endpoint: Endpoint) -> tuple[float, int]:
            at_home = self._homes.get(conversation) is endpoint
            rest = max(endpoint.rests_until - now, 0.0)
            return rest, endpoint.in_flight - (SLACK if at_home else 0)

        chosen = min(self.all, key=burden)
        self._homes[conversation] = chosen
        return chosen, max(chosen.rests_until - now, 0.0)

    def leave_alone(self, endpoint: Endpoint, seconds: float) -> None:
        """Ask others first for a while."""
        endpoint.rests_until = max(endpoint.rests_until, time.monotonic() + seconds)


def pause(failures: int, first: float = FIRST_PAUSE) -> float:
    """Seconds to wait after so many failures in a row: exponential, with a random part."""
    longest = min(first * 2.0 ** (failures - 1), LONGEST_PAUSE)
    return longest * random.uniform(0.75, 1.25)


def retry_after(header: str | None) -> float | None:
    """The seconds that a Retry-After header asks for (a number or a date); None if it does not."""
    if header is None:
        return None
    try:
        seconds = float(header)
        return max(seconds, 0.0) if math.isfinite(seconds) else None
    except ValueError:
        pass
    try:
        return max(email.utils.parsedate_to_datetime(header).timestamp() - time.time(), 0.0)
    except (ValueError, OverflowError):
        return None

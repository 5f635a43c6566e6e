"""Agents that tests name on the command line (`tests.scripts:slow_expert`)."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable

from cotgap.agents.backends.scripted import from_callable, from_policy, noisy_agent
from cotgap.agents.core import Backend, BackendError, Completion, Request
from cotgap.agents.modes import get_mode
from cotgap.envs.core import Expert


def slow_expert() -> Backend:
    """The noisy expert, taking its time, so that a test can kill it in the middle."""
    inner = noisy_agent()

    def slowly(request: Request) -> str:
        time.sleep(0.004)
        return inner.complete([request])[0].text

    return _like(inner, slowly)


def stumbling() -> Backend:
    """An expert whose backend fails in every task whose number ends in 7."""
    inner = noisy_agent()

    def stumble(request: Request) -> str:
        if request.cache_key.split("#")[0].endswith("7"):
            raise BackendError("the server is on fire")
        return inner.complete([request])[0].text

    return _like(inner, stumble)


def crashing_env() -> Backend:
    """An expert that breaks its environment at the third step of task 0002."""

    def policy(request: Request) -> tuple[str, str]:
        env = request.env
        assert isinstance(env, Expert)
        if request.step == 2 and request.cache_key.split("#")[0].endswith("0002"):
            env._act = lambda action: 1 / 0  # type: ignore[attr-defined]
        return "", env.expert_action()

    return from_policy(policy, {"policy": "crashing_env"})


def reader() -> Backend:
    """Draws from the actions that its prompt lists: it needs no environment at hand."""

    def draw(request: Request) -> str:
        listed = request.messages[-1].content.rpartition("Admissible actions:\n- ")[2]
        action = random.Random(request.seed).choice(listed.split("\n- "))
        reply = get_mode(request.mode).write(action, "Why not?", request.tags)
        return reply.removeprefix(request.prefill)

    backend = from_callable(draw)
    backend.reads_environment = False  # type: ignore[attr-defined]
    return backend


def slow_reader() -> Backend:
    """The same, taking its time."""
    inner = reader()

    def slowly(request: Request) -> str:
        time.sleep(0.02)
        return inner.complete([request])[0].text

    backend = _like(inner, slowly)
    backend.reads_environment = False  # type: ignore[attr-defined]
    return backend


def deadly() -> Backend:
    """The noisy expert, but task 0002 ends its process."""
    inner = noisy_agent()

    def die(request: Request) -> str:
        if request.cache_key.split("#")[0].endswith("0002"):
            os._exit(1)
        return inner.complete([request])[0].text

    return _like(inner, die)


def not_an_agent() -> int:
    return 7


class _Wrapped:
    name = "scripted"
    renderer = None

    def __init__(self, inner: Backend, speak: object) -> None:
        self._inner, self._speak = inner, speak
        self.fingerprint, self.batch_size = inner.fingerprint, 4

    def complete(self, requests: list[Request]) -> list[Completion]:
        return [Completion(self._speak(request), "stop") for request in requests]  # type: ignore[operator]

    def describe(self) -> dict[str, object]:
        return dict(self._inner.describe())

    def close(self) -> None:
        self._inner.close()


def _like(inner: Backend, speak: object) -> Backend:
    return _Wrapped(inner, speak)  # type: ignore[return-value]


def halves() -> Backend:
    """An expert that thinks and acts in half a character at its second step."""
    inner = noisy_agent()

    def answer(request: Request) -> str:
        if request.step == 1:
            reply = get_mode(request.mode).write("\ud83d look", "Hm \ude00", request.tags)
            return reply.removeprefix(request.prefill)
        return inner.complete([request])[0].text

    return _like(inner, answer)


def raising() -> Callable[[Request], str]:
    """An agent that raises at every decision."""

    def answer(request: Request) -> str:
        raise ValueError("this agent raises")

    return answer

"""An agent of one's own: it knows the way, and errs now and then."""

import random

from my_helpers import ERRORS

from agents.agent import Agent
from agents.backends.scripted import from_policy
from agents.core import Request


def released() -> Agent:
    return _agent("released", 0.0)


def refactored() -> Agent:
    """Another agent that acts the same."""
    return _agent("refactored", 0.0)


def broken() -> Agent:
    return _agent("broken", 0.5)


def function():
    """The other way to write one: a function from the request to the reply after the prefill."""

    def answer(request: Request) -> str:
        closing = "" if request.mode == "prompt" else "I know the way.</think>\n<action>"
        return f"{closing}{_choose(ERRORS, request)}</action>"

    return answer


def _agent(name: str, errors: float) -> Agent:
    backend = from_policy(
        lambda request: ("I know the way.", _choose(errors, request)),
        {"name": name, "errors": errors},
    )
    return Agent(name, name, backend)


def _choose(errors: float, request: Request) -> str:
    assert request.env is not None
    dice = random.Random(request.seed)
    return "look" if dice.random() < errors else request.env.expert_action()

"""Agents of one's own: they know the way, and err now and then."""

import random

from my_helpers import ERRORS

from cotgap.agents.agent import Agent
from cotgap.agents.backends.scripted import noisy_agent
from cotgap.agents.core import Request


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
        assert request.env is not None
        dice = random.Random(request.seed)
        action = "look" if dice.random() < ERRORS else request.env.expert_action()
        return f"{closing}{action}</action>"

    return answer


def _agent(name: str, errors: float) -> Agent:
    return Agent(name, name, noisy_agent({"prompt": errors, "cot": errors}))

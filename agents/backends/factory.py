"""Agents of one's own: `package.module:factory`, a function that returns what answers."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cotgap.agents.agent import Agent
from cotgap.agents.backends.core import BackendKind, NoOptions
from cotgap.agents.backends.scripted import from_callable
from cotgap.agents.core import Backend
from cotgap.agents.protocol import TAGS_1, PromptProtocol
from cotgap.envs.core import CoTGapError, UnknownNameError


def open_made(
    spec: str, options: NoOptions, protocol: PromptProtocol | None, batch_size: int | None
) -> Agent:
    """Call the factory, without arguments.

    It returns an `Agent`, a `Backend`, or a callable from `Request` to the reply after the prefill.
    """
    made, rules = _made(spec, _factory(spec)), protocol or TAGS_1
    if isinstance(made, Agent):
        return replace(made, spec=spec, protocol=protocol or made.protocol)
    if isinstance(made, Backend):
        return Agent(spec, spec, made, rules)
    if callable(made):
        return Agent(spec, spec, from_callable(made), rules)
    parts = {*Backend.__annotations__, *(part for part in vars(Backend) if part[0] != "_")}
    lacking = sorted(part for part in parts if not hasattr(made, part))
    raise CoTGapError(
        f"{spec} returned {made!r:.80}, which is no agents.agent.Agent, no function from Request "
        f"to text, and no Backend (it lacks {', '.join(lacking)})"
    )


def _made(spec: str, factory: Callable[[], Any]) -> Any:
    try:
        return factory()
    except CoTGapError:
        raise
    except (Exception, SystemExit) as error:  # a user's code: whatever it raises, say where
        raise CoTGapError(
            f"{spec} failed: {type(error).__name__}: {error}. It is called without arguments, and "
            "returns what answers: see docs/extending.md"
        ) from error


def _factory(spec: str) -> Callable[[], Any]:
    module_name, _, name = spec.partition(":")
    try:
        module = importlib.import_module(module_name)
        factory = getattr(module, name, None)  # some modules import on demand
    except ModuleNotFoundError as error:
        raise CoTGapError(
            f"agent {spec!r}: cannot import {module_name} ({error}). Install it, or put its folder "
            "on PYTHONPATH"
        ) from error
    except CoTGapError:
        raise
    except (Exception, SystemExit) as error:
        raise CoTGapError(
            f"agent {spec!r}: importing {module_name} failed: {type(error).__name__}: {error}"
        ) from error
    if not callable(factory):
        functions = [
            key
            for key, value in vars(module).items()
            if callable(value) and getattr(value, "__module__", "") == module.__name__
        ]
        raise UnknownNameError(f"factory in {module_name}:", name, functions)
    made: Callable[[], Any] = factory
    return made


def _names_a_function(spec: str) -> bool:
    """Whether a spec is written `module:function`, and is no file of that name."""
    written_so = re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", spec)
    return written_so is not None and not os.path.exists(spec)


BACKEND = BackendKind(
    name="factory",
    open=open_made,
    claims=_names_a_function,
    forms=("package.module:factory",),
)

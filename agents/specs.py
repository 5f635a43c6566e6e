"""Agents by name: what `--agent` takes. Cheap to import; torch waits until a model is opened."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from cotgap.agents.agent import Agent
from cotgap.agents.backends import backends
from cotgap.agents.backends.core import BackendKind
from cotgap.agents.protocol import PromptProtocol
from cotgap.envs.core import CoTGapError, UnknownNameError


def make_agent(
    spec: str, *, protocol: str | None = None, batch_size: int | None = None, **options: Any
) -> Agent:
    """The agent that `spec` names.

    A spec is one of `names()`; `ckpt:NAME` for a bundled checkpoint (`ckpt` alone is the last of
    the series); `noisy:prompt=0.4,cot=0.15`; a checkpoint folder or .gguf file;
    `openai:URL[,URL...][#MODEL]` for servers; `package.module:factory`; or what the backend of
    another distribution opens. A `protocol` of None is the one that an `Agent` of a factory brings,
    and "tags-1" for the others; a server that cannot prefill gets `+asked` on top. `batch_size`
    (requests at a time) and the `options` of the kind of backend (see
    `cotgap.agents.backends.option_types`) are the backend's own choice where they are None.

    Raises `UnknownNameError` for an unknown spec or protocol, `CoTGapError` for an option that this
    kind of backend does not have, and for an agent that cannot be made here.
    """
    rules = None if protocol is None else PromptProtocol.parse(protocol)
    kind = kind_of(spec)
    fields = {field.name for field in dataclasses.fields(kind.options)}
    for option, value in options.items():
        if value is not None and option not in fields:
            raise CoTGapError(f"agent {spec!r} has no {option}; leave it out")
    own = kind.options(**{name: options.get(name) for name in fields})
    agent = kind.open(spec, own, rules, batch_size)
    if batch_size is not None:
        agent.backend.batch_size = batch_size
    return agent


def kind_of(spec: str) -> BackendKind:
    """The kind of backend that opens a spec; raises `UnknownNameError` where none does."""
    kinds = backends().values()
    scheme, colon, _ = spec.partition(":")
    for opens in (
        lambda kind: spec in kind.names,
        lambda kind: bool(colon) and scheme in kind.schemes,
        lambda kind: kind.claims(spec),
    ):
        for kind in kinds:
            if opens(kind):
                return kind
    forms = [form for kind in kinds for form in kind.forms]
    hint = f"An agent is also {', '.join(forms[:-1])}, or {forms[-1]}."
    raise UnknownNameError("agent", spec, names(), hint)


def names() -> list[str]:
    """The specs that are a mere name, sorted."""
    return sorted(name for kind in backends().values() for name in kind.names)


def model_path(spec: str) -> Path | None:
    """The checkpoint that a spec names, or None for other kinds; raises what `make_agent` does."""
    return kind_of(spec).path(spec)

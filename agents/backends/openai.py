"""Models behind servers that speak the OpenAI API: vLLM, SGLang, hosted ones."""

from __future__ import annotations

from dataclasses import asdict, replace

from cotgap.agents.agent import Agent
from cotgap.agents.backends.core import BackendKind
from cotgap.agents.options import ServerOptions
from cotgap.agents.protocol import TAGS_1, PromptProtocol

ASKED_NOTICE = (
    "This server cannot be made to begin its replies with a given text, so the prompt asks for the "
    "mode instead: protocol {}. Numbers under another protocol do not compare. With --tokenizer "
    "DIR prompts are rendered here, and replies are prefilled."
)
TEXT_NOTICE = (
    "This server takes no token ids. Prompts are sent as text, which it may cut into other tokens."
)
TEMPERATURE_NOTICE = (
    "This server takes no temperature: it chooses tokens in its own way, greedily or not, and the "
    "same request may be answered otherwise."
)


def open_served(
    spec: str, options: ServerOptions, protocol: PromptProtocol | None, batch_size: int | None
) -> Agent:
    """Find out what the servers take; one that cannot prefill is played under `+asked`."""
    from cotgap.agents.serving.backend import OpenAIBackend  # httpx: a tenth of a second to import

    backend = OpenAIBackend.open(spec.removeprefix("openai:"), **asdict(options))
    rules = protocol or TAGS_1
    notices = [TEXT_NOTICE] if backend.dialect.prompts == "text" else []
    if not backend.dialect.takes_temperature:
        notices.append(TEMPERATURE_NOTICE)
    if not backend.dialect.prefills and not rules.asked:
        rules = replace(rules, asked=True)
        notices.append(ASKED_NOTICE.format(rules))
    name = backend.model.rstrip("/").rpartition("/")[2]
    return Agent(name, spec, backend, rules, notice=" ".join(notices))


BACKEND = BackendKind(
    name="openai",
    open=open_served,
    schemes=("openai",),
    forms=("openai:http://HOST:PORT/v1#MODEL",),
    options=ServerOptions,
)

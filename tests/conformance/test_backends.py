"""Every backend keeps the promises of `cotgap.agents.core.Backend`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from cotgap.agents.agent import Agent
from cotgap.agents.backends import BACKENDS, option_types, scripted
from cotgap.agents.backends.scripted import ScriptedBackend
from cotgap.agents.core import Backend, Completion, Request, Sampling, Streaming
from cotgap.agents.modes import modes
from cotgap.agents.options import LoadingOptions
from cotgap.agents.serving.backend import OpenAIBackend
from cotgap.agents.specs import make_agent
from cotgap.envs.core import TextEnv

SCRIPTED: dict[str, Callable[[], ScriptedBackend]] = {
    "random": scripted.random_agent,
    "expert": scripted.expert_agent,
    "noop": scripted.noop_agent,
    "noisy": scripted.noisy_agent,
    "replies": lambda: scripted.from_replies(["hm</think><action>look</action>", "no tag"]),
    "callable": lambda: scripted.from_callable(lambda request: f"{request.step}</action> more"),
}


# module → the kinds of its backends that are tested
KINDS = {
    "scripted": list(SCRIPTED),
    "transformers": ["transformers"],
    "openai": ["openai"],
    "factory": ["factory"],
}


@pytest.fixture(scope="module")
def served(served_tiny: str, tiny_checkpoint: Path) -> Iterator[OpenAIBackend]:
    """One request at a time: that server seeds its sampling for all that it writes."""
    made = OpenAIBackend.open(
        f"{served_tiny}#{tiny_checkpoint}", tokenizer=tiny_checkpoint, concurrency=1
    )
    yield made
    made.close()


@pytest.fixture(params=[kind for kinds in KINDS.values() for kind in kinds])
def backend(request: pytest.FixtureRequest) -> Backend:
    names = {"transformers": "tiny", "openai": "served"}
    if request.param in names:
        made: Backend = request.getfixturevalue(names[request.param])
        return made
    if request.param == "factory":
        return make_agent("cotgap.agents.backends.scripted:noop_agent").backend
    return SCRIPTED[request.param]()


@pytest.fixture
def agent(backend: Backend) -> Agent:
    return Agent("it", "it", backend)


def make_requests(agent: Agent, env: TextEnv, *, temperature: float = 1.0) -> list[Request]:
    """Both modes at the first two states of an episode."""
    talk = agent.dialogue("Rules.", reserve=12)
    made = []
    for step in range(2):
        talk.observe(f"You see a desk {step}.", env.admissible_actions())
        made += [
            talk.request(
                mode,
                sampling=Sampling(temperature),
                seed=100 * step + number,
                cache_key="episode",
                max_new_tokens=12,
                env=env,
            )
            for number, mode in enumerate(modes())
        ]
        talk.act("look", "hm")
    return made


def test_every_backend_there_is_is_tested_here() -> None:
    assert set(BACKENDS.names()) - set(BACKENDS.distributions()) == set(KINDS)


def test_options_are_ready_for_a_command_line() -> None:
    """Each has a type and a help text; `None` leaves the choice to the backend."""
    types = option_types()
    assert {"dtype", "device", "threads", "cache_memory", "tokenizer", "concurrency"} <= set(types)
    named = {field.name for field in fields(LoadingOptions)}
    for name in set(BACKENDS.names()) - set(BACKENDS.distributions()):
        assert set(BACKENDS.get(name).option_types()) <= named, "see `LoadingOptions`"
    for name, hint in types.items():
        value, option = get_args(hint)
        assert type(None) in get_args(value), name
        assert option.help, name


def test_it_is_a_backend(backend: Backend) -> None:
    assert isinstance(backend, Backend)
    assert re.fullmatch("[0-9a-f]{64}", backend.fingerprint)
    assert backend.batch_size >= 1
    json.dumps(backend.describe())
    assert backend.complete([]) == []


def test_the_same_request_gives_the_same_reply_in_any_company(agent: Agent, toy: TextEnv) -> None:
    requests = make_requests(agent, toy)
    together = [decision.raw for decision in agent.decide(requests)]
    assert [decision.raw for decision in agent.decide(requests)] == together
    assert [agent.decide([request])[0].raw for request in requests] == together
    backwards = [decision.raw for decision in agent.decide(requests[::-1])]
    assert backwards[::-1] == together


def test_streamed_answers_are_those_of_complete(agent: Agent, toy: TextEnv) -> None:
    backend = agent.backend
    if not isinstance(backend, Streaming):
        pytest.skip("this backend answers all at once")
    requests = make_requests(agent, toy)
    expected = [completion.text for completion in backend.complete(requests)]
    tickets = backend.submit(requests)
    assert len(set(tickets)) == len(requests)
    answers: dict[int, str] = {}
    while len(answers) < len(requests):
        for ticket, answer in backend.collect():
            assert isinstance(answer, Completion)
            answers[ticket] = answer.text
    assert [answers[ticket] for ticket in tickets] == expected
    assert list(backend.collect()) == []
    backend.submit(requests)
    backend.forget()
    assert list(backend.collect()) == []


def test_decisions_are_the_parsed_replies(agent: Agent, toy: TextEnv) -> None:
    requests = make_requests(agent, toy)
    for request, decision in zip(requests, agent.decide(requests), strict=True):
        assert decision.mode == request.mode
        assert decision.raw.startswith(request.prefill)
        parsed = modes()[request.mode].parse(decision.raw, request.tags)
        assert (decision.action, decision.thought, decision.parse_error) == parsed
        ends_in_stop = decision.raw.endswith(request.stop)
        assert ends_in_stop == (decision.finish_reason == "stop")
        assert decision.usage.seconds > 0
        assert decision.usage.dropped_steps == request.dropped_steps
        if agent.backend.renderer is not None:
            prompt = len(request.token_ids or ()) + len(request.prefill_ids)
            assert decision.usage.prompt_tokens == prompt
            assert 1 <= decision.usage.completion_tokens <= request.max_new_tokens


def test_what_a_record_says_of_it(agent: Agent) -> None:
    said = agent.describe()
    assert said == json.loads(json.dumps(said))
    assert said["fingerprint"] == agent.backend.fingerprint
    assert said["backend"] == agent.backend.name
    assert said["protocol"] == "tags-1"


def test_other_scripts_have_other_fingerprints() -> None:
    made = [make() for make in SCRIPTED.values()]
    made += [scripted.noisy_agent({"prompt": 0.5}), scripted.from_replies(["a"])]
    made += [scripted.from_callable(lambda request: "other")]
    assert len({one.fingerprint for one in made}) == len(made)
    assert scripted.noisy_agent().fingerprint == scripted.noisy_agent().fingerprint

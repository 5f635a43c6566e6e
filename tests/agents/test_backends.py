"""Every backend keeps the promises of `agents.core.Backend`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from agents.agent import Agent
from agents.backends import scripted
from agents.backends.scripted import ScriptedBackend
from agents.backends.transformers import TransformersBackend
from agents.core import Backend, Request, Sampling
from agents.modes import modes
from envs.core import TextEnv

SCRIPTED: dict[str, Callable[[], ScriptedBackend]] = {
    "random": scripted.random_agent,
    "expert": scripted.expert_agent,
    "noop": scripted.noop_agent,
    "noisy": scripted.noisy_agent,
    "replies": lambda: scripted.from_replies(["hm</think><action>look</action>", "no tag"]),
    "callable": lambda: scripted.from_callable(lambda request: f"{request.step}</action> more"),
}


@pytest.fixture(params=[*SCRIPTED, "transformers"])
def backend(request: pytest.FixtureRequest, tiny: TransformersBackend) -> Backend:
    return tiny if request.param == "transformers" else SCRIPTED[request.param]()


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

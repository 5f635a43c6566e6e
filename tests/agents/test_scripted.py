"""What the scripted agents do in the toy environment, and what they say where they cannot act."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from cotgap.agents.agent import Agent
from cotgap.agents.backends import scripted
from cotgap.agents.backends.scripted import ScriptedBackend
from cotgap.agents.core import BackendError, Decision, Request, Sampling
from cotgap.envs.core import CoTGapError, Outcome, Panel, Task, TextEnv, UnknownNameError
from cotgap.envs.toy import SUITE


class Mute(TextEnv):
    """An environment without any capability."""

    goal = "be quiet"

    def __init__(self) -> None:
        super().__init__(Panel("mute", "id", (Task("0", ""),), "1", 5, "Rules.", "look"))

    def _start(self, task: Task, seed: int) -> Outcome:
        return Outcome("...", 0.0, won=False)

    def _act(self, action: str) -> Outcome:
        return Outcome("...", 0.0, won=False)


def ask(
    backend: ScriptedBackend,
    env: TextEnv | None,
    mode: str = "cot",
    *,
    seed: int = 0,
    step: int = 0,
) -> Decision:
    agent = Agent("it", "it", backend)
    talk = agent.dialogue("Rules.")
    for _ in range(step):
        talk.observe("...", None)
        talk.act("look", None)
    talk.observe("...", None)
    request = talk.request(
        mode, sampling=Sampling(), seed=seed, cache_key="", max_new_tokens=8, env=env
    )
    return agent.decide([request])[0]


def play(backend: ScriptedBackend, mode: str, tasks: Sequence[int], seed: int = 0) -> float:
    """Success rate."""
    won = 0
    for task in tasks:
        env = SUITE.make()
        env.reset(seed=0, options={"task": f"{task:04d}"})
        over, step = False, 0
        while not over:
            step += 1
            decision = ask(backend, env, mode, seed=hash((seed, task, step, mode)))
            _, _, terminated, truncated, info = env.step(decision.action or "")
            over = terminated or truncated
        won += info["won"]
    return won / len(tasks)


def test_the_expert_wins_and_says_why(toy: TextEnv) -> None:
    decision = ask(scripted.expert_agent(), toy)
    assert decision.action == toy.expert_action()  # type: ignore[attr-defined]
    assert decision.thought == toy.rationale(decision.action)  # type: ignore[attr-defined]
    assert decision.thought
    assert ask(scripted.expert_agent(), toy, "prompt").thought is None
    for mode in ("prompt", "cot"):
        assert play(scripted.expert_agent(), mode, range(10)) == 1.0


def test_doing_nothing_is_a_valid_reply_and_an_invalid_action(toy: TextEnv) -> None:
    for mode in ("prompt", "cot"):
        decision = ask(scripted.noop_agent(), toy, mode)
        assert (decision.action, decision.parse_error) == ("do nothing", None)
    assert toy.step("do nothing")[4]["valid"] is False
    assert play(scripted.noop_agent(), "prompt", range(5)) == 0.0


def test_random_draws_every_admissible_action_by_seed(toy: TextEnv) -> None:
    backend = scripted.random_agent()
    drawn = Counter(ask(backend, toy, seed=seed).action for seed in range(400))
    assert set(drawn) == set(toy.admissible_actions() or ())
    assert min(drawn.values()) > 400 / len(drawn) / 2
    assert ask(backend, toy, seed=3).action == ask(backend, toy, "prompt", seed=3).action


def test_noise_has_the_rate_of_its_mode(toy: TextEnv) -> None:
    backend = scripted.noisy_agent({"prompt": 1.0, "cot": 0.3})
    expert, count = toy.expert_action(), len(toy.admissible_actions() or ())  # type: ignore[attr-defined]
    for mode, rate in (("prompt", 1.0), ("cot", 0.3)):
        missed = sum(ask(backend, toy, mode, seed=seed).action != expert for seed in range(1000))
        expected = rate * (count - 1) / count  # a random action may be the expert's
        assert abs(missed / 1000 - expected) < 0.05
    assert play(scripted.noisy_agent({"prompt": 0, "cot": 0}), "prompt", range(5)) == 1.0


def test_noise_is_argued_for_too(toy: TextEnv) -> None:
    backend = scripted.noisy_agent({"cot": 1.0})
    decisions = [ask(backend, toy, seed=seed) for seed in range(20)]
    assert all(one.thought == toy.rationale(one.action or "") for one in decisions)  # type: ignore[attr-defined]


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_noise_is_a_probability(value: float) -> None:
    with pytest.raises(CoTGapError, match="no probability"):
        scripted.noisy_agent({"prompt": value})


def test_noise_knows_the_modes() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown mode 'promt'.*'prompt'"):
        scripted.noisy_agent({"promt": 0.1})


def test_replies_go_by_step_and_through_the_parser() -> None:
    backend = scripted.from_replies(["a</think><action>go east</action> tail", "b", ""])
    first, second, third = (ask(backend, None, step=step) for step in range(3))
    assert first.raw == "<think>a</think><action>go east</action>"
    assert (first.action, first.thought, first.finish_reason) == ("go east", "a", "stop")
    assert (second.raw, second.parse_error, second.finish_reason) == (
        "<think>b",
        "unclosed_thought",
        "eos",
    )
    assert third.raw == "<think>"
    with pytest.raises(CoTGapError, match="list of 3 replies has none for step 3"):
        ask(backend, None, step=3)


def test_any_callable_may_speak() -> None:
    def speak(request: Request) -> str:
        return f"{request.messages[-1].content}{request.mode}</action>"

    assert ask(scripted.from_callable(speak), None, "prompt").action == "...prompt"


def test_a_failing_script_is_a_backend_error() -> None:
    with pytest.raises(BackendError, match="ZeroDivisionError"):
        ask(scripted.from_callable(lambda request: str(1 // 0)), None)
    with pytest.raises(BackendError, match="answered 7"):
        ask(scripted.from_callable(lambda request: 7), None)  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize("make", [scripted.random_agent, lambda: scripted.noisy_agent({"cot": 1})])
def test_without_a_list_of_actions(make: object) -> None:
    env = Mute()
    env.reset(options={"task": "0"})
    with pytest.raises(CoTGapError, match="'mute' has no actions to draw from"):
        ask(make(), env)  # type: ignore[operator]


def test_without_an_expert() -> None:
    env = Mute()
    env.reset(options={"task": "0"})
    with pytest.raises(CoTGapError, match="'mute' has no expert"):
        ask(scripted.expert_agent(), env)


def test_without_an_environment() -> None:
    with pytest.raises(CoTGapError, match="give the request its env"):
        ask(scripted.random_agent(), None)
